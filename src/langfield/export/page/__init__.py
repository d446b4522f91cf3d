"""A page without a server: one HTML file with a run's Gaussians and the answers of given phrases, opened from the disk.

write     a session and phrases → the file
elements  what the page draws, as Gaussians in its frame
contents  what it knows beside them: answers, cameras, where it stands first
packing   arrays → few bytes, and how to read them again
document  template, styles and scripts (browser/) → the file's text
"""
