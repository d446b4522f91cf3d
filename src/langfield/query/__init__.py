"""Phrases in, answers out: the command line, Python, the evaluation and the viewer ask the same functions.

A question about the whole scene (`Session.query`):

    phrase_encoder         phrases and negatives → unit embeddings (`models.relevancy.EncodedPhrases`)
    index                  the scene's surface as voxels with embeddings, made once → relevancy of cells and voxels
    presence               relevancy of cells → whether the phrase is in the scene at all
    index.regions          relevancy of voxels → connected regions, the hits
    index.grouped_surface  of a run with groups: a region → the group of the surface that explains it
    phrase_matcher         does these in turn, and keeps what it found
    hit_answers, answers   hits → positions and boxes in world units; best_views names the photos that show them

A question about one picture (`Session.ask_view`):

    asked_view             does what follows, in turn
    crop_levels            relevancy pictures at the scales of the crops that training saw
    scale_search           LERF's own search over 30 scales
    view_answers           the index's relevancy interpolated at a picture's pixels; masks
    surface_pictures       what the index knows of the surface besides phrases: language features, crop sizes
    pictures               arrays → colours; frames, the same on the device, and as JPEG

A frame of a camera that moves (`Session.picture_jpeg`):

    quick_frames           what each layer shows
    point_frames           a field drawn with points of its surface

A question without words (`Session.objects`, `segment`), of a run with groups of its surface:

    group_answers          groups → places, boxes, elements, photos; the groups at a point
    group_masks            groups → pixels of a picture
    objects                names, from a list of nouns
    segmentation           which group a click means

What is asked is an `AskableView` of the run's model: one camera, asked for any pixel at any scale.
`run_parts` makes the model and the groups of a run; `opened_scene` makes what several questions need, and keeps it;
`session` is the front, and `turns` lets one thread at a time into it. Browsers show answers in the frame of
`page_frame`.
"""
