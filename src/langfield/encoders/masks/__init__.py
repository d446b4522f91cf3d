"""Encoders that give masks: of everything in a photo, or of what points and boxes say.

base         the protocols `MaskProposer` and `PromptableImage`, what they give, and the settings of everything mode
sam          SAM and SAM 2 of transformers: photos embedded, points and boxes decoded
sam_decoder  their decoder for many prompts of one photo
everything   everything mode: which of all candidates are a photo's masks
crops        crops of a photo that are searched like the photo itself
zoom         prompts that are asked again in a crop about what was found
sam_weights  their weights: from the hub, from a folder, or random
builtin      the small SAM that comes with langfield
frame        a photo in the square that such a model sees, and its masks back in the photo
suppression  of masks that say the same, the best
superpixels  regions of even colour at three granularities, without weights
"""
