"""What a scene was seen as: voxels of its surface, their embeddings, and how neighbours are brought into line."""
