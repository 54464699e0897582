"""How the models of `kernels/models/` are made, from recordings that their files name. Needs scikit-learn."""
