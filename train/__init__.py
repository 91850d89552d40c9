"""The host-side trainer: data sets in, Keras models out."""
