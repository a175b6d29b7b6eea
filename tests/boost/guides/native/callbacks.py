"""Callbacks: one of the user's, the schedule of the learning rate, checkpoints, the monitor."""

import contextlib
import io
from pathlib import Path

import numpy as np
import xgboost as xgb
from sklearn.datasets import load_breast_cancer

data = load_breast_cancer()
X = np.round(data.data / data.data.std(axis=0) * 8)
train, valid = xgb.DMatrix(X[:400], data.target[:400]), xgb.DMatrix(X[400:], data.target[400:])
param = {"objective": "binary:logistic", "max_depth": 2, "eval_metric": ["error", "rmse"]}
watch = [(train, "Train"), (valid, "Valid")]


class Recorder(xgb.callback.TrainingCallback):
    def __init__(self, rounds):
        super().__init__()
        self.rounds, self.seen = rounds, []

    def before_training(self, model):
        self.seen.append("begin")
        return model

    def before_iteration(self, model, epoch, evals_log):
        return False

    def after_iteration(self, model, epoch: int, evals_log: dict) -> bool:
        for table, metrics in evals_log.items():
            for metric, log in metrics.items():
                self.seen.append((epoch, table, metric, log[-1]))
        return epoch + 1 == self.rounds

    def after_training(self, model):
        self.seen.append(("end", model.num_boosted_rounds()))
        return model


recorder = Recorder(4)
bst = xgb.train(param, train, num_boost_round=10, evals=watch, callbacks=[recorder], verbose_eval=False)
answers = {"recorded": recorder.seen, "rounds": bst.num_boosted_rounds()}

rates = xgb.callback.LearningRateScheduler([0.9, 0.5, 0.1, 0.05])
answers["rates"] = xgb.train(param, train, 4, callbacks=[rates]).predict(valid)
decay = xgb.callback.LearningRateScheduler(lambda epoch: 0.5 * 0.9**epoch)
answers["decay"] = xgb.train(param, train, 4, callbacks=[decay]).predict(valid)

Path("checkpoints").mkdir()
check = xgb.callback.TrainingCheckPoint(directory="checkpoints", interval=2, name="model")
whole = xgb.train(param, train, 6, callbacks=[check])
files = sorted(Path("checkpoints").iterdir())
answers["files"] = [path.name for path in files]
last = xgb.Booster(model_file=files[-1])
rest = xgb.train(param, train, 6 - last.num_boosted_rounds(), xgb_model=last)
answers["from a file"] = rest.predict(valid)
answers["whole"] = whole.predict(valid)

out = io.StringIO()
with contextlib.redirect_stdout(out):
    monitor = xgb.callback.EvaluationMonitor(period=2, show_stdv=False)
    xgb.train(param, train, 5, watch, callbacks=[monitor], verbose_eval=False)
    xgb.train({**param, "eval_metric": "error"}, train, 5, watch, verbose_eval=2)
differs = {
    "rates": "XGBoost sets the rate after a round, for the next one; here it is the rate of its round",
    "decay": "the same",
    "files": "XGBoost writes UBJSON, first after interval + 1 rounds; here JSON after every interval",
}
answers["printed"] = [line.split(":")[0] for line in out.getvalue().splitlines()]
