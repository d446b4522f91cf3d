"""What is learnt or lifted: functions of position (and scale) that give density, colour and embeddings."""
