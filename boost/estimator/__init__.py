"""What the scikit-learn estimators of `boost.sklearn` are made of."""
