"""3D Gaussians: training, density control, and language as sparse codes."""
