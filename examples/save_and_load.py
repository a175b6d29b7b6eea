"""Save a model and a compiled program, and load both again."""

import numpy as np

import boost
import compiler
from compiler import te

rng = np.random.default_rng(0)

# A model: XGBoost's JSON or UBJSON, by the suffix; nothing in a file is executed.
x = rng.standard_normal((500, 5))
model = boost.train({"max_depth": 3}, boost.DMatrix(x, label=x[:, 0] * x[:, 1]), num_boost_round=20)
for path in ("model.json", "model.ubj"):
    model.save_model(path)
    loaded = boost.Booster(model_file=path)
    np.testing.assert_array_equal(loaded.inplace_predict(x), model.inplace_predict(x))

# A program: machine code, loaded without a compilation; trust it as you would a shared library.
n = te.size_var("n", (1, 1024))
A = te.placeholder((n,), name="A")
B = te.compute((n,), lambda i: te.exp(A[i]) + 1, name="B")
module = compiler.build(te.create_schedule(B.op), [A, B])
module.save("exp.module")
a = rng.standard_normal(100, dtype=np.float32)
b = np.empty_like(a)
compiler.load_module("exp.module")(a, b)
np.testing.assert_allclose(b, np.exp(a) + 1, rtol=1e-5)
print("loaded: a model of", model.num_boosted_rounds(), "rounds and a program of one dynamic extent")
