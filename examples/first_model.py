"""Train a classifier on a table, score it on held-out rows, and explain a prediction."""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from boost import BoostClassifier

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

model = BoostClassifier(n_estimators=200, learning_rate=0.1, max_depth=4, early_stopping_rounds=20)
model.fit(X_train, y_train, eval_set=[(X_test, y_test)], verbose=False)
print(f"accuracy on {len(X_test)} held-out rows: {model.score(X_test, y_test):.3f}")
print(f"trees: {model.best_iteration + 1}")

# Shapley values: one column for each feature, and the expected margin in the last one
values = model.get_booster().predict(X_test.iloc[:1], pred_contribs=True)[0]
strongest = np.argsort(-np.abs(values[:-1]))[:3]
for index in strongest:
    print(f"{X.columns[index]:24} {values[index]:+.2f} to the log odds")
