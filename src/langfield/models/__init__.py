"""Models: what a scene is held as, how it learns, and how it is asked.

    base        the protocol that all else knows: `Model`, `AskableView`, `Elements`
    heads       what radiance fields learn besides colour: `Head`, and `Coupling` of several
    config      what a model is built from
    batches     batches with named targets, and groups of parameters
    relevancy   LERF's relevancy, and phrases as embeddings
    registry    models by name
    presets     models with all settings of their training, by name; `preset_list`, read without torch, lists them
    geometry    depth maps as points in space
    nerf        radiance fields that are volume rendered, with heads on them: `lerf`
    voxels      a radiance field whose language is averaged into voxels: `voxel_lift`
    gaussians   Gaussians whose language is lifted as sparse codes: `splat`
    conversion  a radiance field converted to Gaussians: baking

Everything is in the scene frame. Nothing above this package imports a family of models.
"""
