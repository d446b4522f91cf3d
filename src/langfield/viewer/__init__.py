"""The web viewer: a run in the browser, asked by typing and clicking.

The page is viser's; before it stands a front of our own, which decides who may talk to it.

access           who may talk to the viewer: token, cookie, Host and Origin; how often
client_messages  what a browser may send
camera_pace      cameras of browsers, passed on only so often
front            the one port: requests, the page, messages to and from viser
viser_server     viser, on a unix socket
state            what one browser shows and asks, as plain data
page_camera      cameras of the page, flights, sizes of pictures
palette          colours of phrases and things, scales
look             pictures that the server draws
side_by_side     two pictures with a line between them
element_colours  colours of what the browser draws
run_photos       a run's photos, read or drawn
run_scene        a run, and what of it browsers draw
runs             all runs that were given
saving           what can be downloaded
scene_nodes      what is drawn in one browser's scene
frames           which picture of the server is due
page_pictures    the server's pictures for one browser
drawing          what one browser shows, brought up to date
navigator        one browser's camera
hover_names      names of what is under the mouse, for the page's script
page_script      the page's own script: keys, help, names under the mouse
page_commands    keys that do what controls do
page_events      what happens to one browser's page, in order
page_answers     what one browser asks, and its answers
page_clicks      what is clicked: things, distances
page_names       one browser's names under the mouse
page_video       videos of the keyframes, made in the background
panel            one browser's controls: panel_find, panel_show, panel_things and panel_camera are their parts,
                 panel_actions what they call, panel_parts what they are made of
client_page      one browser's page, and its thread
live_frames      which picture of a training is due, and when there is time for one
live_scene       where the photos of a training are
live_training    a training: its figures, its pictures, what people ask of it
live_panel       the controls of a page that shows it
live_page        one browser's page that shows it, and its thread
page_server      what serves pages
viewer           all of it
"""
