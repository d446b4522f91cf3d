"""What is learnt: functions of position (and scale) that give density, colour and embeddings."""
