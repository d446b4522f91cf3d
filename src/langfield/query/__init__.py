"""Phrases in, answers out: the command line, Python, the evaluation and the viewer ask the same functions.

A question about the whole scene (`Session.query`):

    phrase_encoder   phrases and negatives → unit embeddings (`models.relevancy.EncodedPhrases`)
    index            the scene's surface as voxels with embeddings, made once → relevancy of cells and voxels
    presence         relevancy of cells → whether the phrase is in the scene at all
    index.regions    relevancy of voxels → connected regions, the hits
    answers          hits → positions and boxes in world units; best_views names the photos that show them

A question about one picture (`Session.ask_view`):

    crop_levels      relevancy pictures at the scales of the crops that training saw
    scale_search     LERF's own search over 30 scales
    view_answers     the index's relevancy interpolated at a picture's pixels; masks
    pictures         arrays → colours

What is asked is an `AskableView` of the run's model: a camera rendered once, asked for any pixel at any scale.
`session` puts the parts together and holds what is kept between questions.
"""
