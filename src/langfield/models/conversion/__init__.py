"""From a radiance field to Gaussians: its surface as elements, and their language as sparse codes."""
