"""Reports: HTML pages about runs, their plots, and contact sheets of answers.

report_page      the page about one run
compare_page     the page that compares several
comparison       their figures side by side
phrase_sections  the sections of a page about phrases
page_parts       tables, cards, pictures, curves
page_style       the style sheet and the one script
plots            small charts as SVG
markup           HTML as text that is escaped by construction
run_facts        what a run's files say, as pages show it
page_pictures    the pictures of a run that pages show
answer_pictures  pictures of answers
contact_sheet    many answers as one picture
"""
