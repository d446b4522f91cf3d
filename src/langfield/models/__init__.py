"""Models: what a scene is held as, how it learns, and how it is asked.

    base        the protocol that all else knows: `Model`, its `Head`s and `Coupling`s, `AskableView`, `Elements`
    config      what a model is built from
    batches     what training hands to it
    relevancy   LERF's relevancy, and phrases as embeddings: what a view is asked with
    registry    models by name
    presets     models with all settings of their training, by name
    geometry    what a depth map says in space
    nerf        radiance fields that are volume rendered, with heads on them: `lerf`
    voxels      a radiance field whose language is averaged into voxels: `voxel_lift`
    gaussians   Gaussians whose language is lifted as sparse codes: `splat`
    conversion  a radiance field made into Gaussians: baking

Everything is in the scene frame. Nothing above this package imports a family of models.
"""
