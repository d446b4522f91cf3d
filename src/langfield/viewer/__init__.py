"""The web viewer: a run in the browser, asked by typing and clicking.

The page is viser's; before it stands a front of our own, which decides who may talk to it.

access, client_messages, front, viser_server  the one port, and who and what is let through it
state, prompts                               what one browser shows, as plain data
look, element_colours, page_camera           from that to pictures, colours and cameras
run_scene                                    a run, and what of it is drawn in browsers
panel, client_page, viewer                   the page
"""
