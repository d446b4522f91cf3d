"""From a field to Gaussians: its surface as elements, and what it says of them as sparse codes."""
