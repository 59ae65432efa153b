"""The demonstration model: a BitNet b1.58 language model of 2.9 million parameters, how it was trained and how it is exported."""
