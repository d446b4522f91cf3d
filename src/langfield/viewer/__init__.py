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
element_colours  colours of what the browser draws
run_scene        a run, and what of it browsers draw
runs             all runs that were given
saving           what can be downloaded
scene_nodes      what is drawn in one browser's scene
frames           which picture of the server is due
drawing          what one browser shows, brought up to date
navigator        one browser's camera
page_events      what happens to one browser's page, in order
panel            one browser's controls
client_page      one browser's page, and its thread
live_frames      which picture of a training is due, and when there is time for one
live_scene       where the photos of a training are
live_training    a training: its figures, its pictures, what people ask of it
live_panel       the controls of a page that shows it
live_page        one browser's page that shows it, and its thread
page_server      what serves pages
viewer           all of it
"""
