"""From Keras models to int8 TFLite models with their cards."""
