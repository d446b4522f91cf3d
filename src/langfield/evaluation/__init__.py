"""Evaluation: how well a session answers, measured against labels by several protocols. Numbers only.

evaluator       `evaluate`: a session and a scene, measured by any protocol
protocols       which phrases are asked where, and how answers are compared with the truth
labels          the truth, from every known layout of files
askable         what protocols need of a session
metrics         PSNR, SSIM, LPIPS, localisation, AUROC
masks           masks of relevancy maps, and how well masks fit
questions       what single questions came to
statistics      their means and errors
result          what an evaluation measured: `EvaluationReport`
phrase_results  an evaluation phrase by phrase, for pages
"""
