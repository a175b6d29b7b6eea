"""The parts of the scikit-learn estimators: base classes, constructors, random forests, intervals."""
