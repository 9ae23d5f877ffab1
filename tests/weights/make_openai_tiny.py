"""Writes openai_tiny/, a checkpoint in the form of OpenAI's GPT-2, with TensorFlow itself.

Run it in an environment of its own that has TensorFlow (`pip install tensorflow-cpu`):

    python tests/weights/make_openai_tiny.py tests/weights/openai_tiny

expected.npz then holds what TensorFlow was given, so that a test can compare every byte. The file
model.ckpt.meta is left out: it holds TensorFlow's graph of operations, which nobody needs for the weights.
"""

import json
import string
import sys
from pathlib import Path

import numpy as np

TINY = {"n_vocab": 51, "n_ctx": 12, "n_embd": 16, "n_head": 2, "n_layer": 2}


def variables(sizes: dict[str, int], seed: int = 0) -> dict[str, np.ndarray]:
    """Every variable of a GPT-2 under OpenAI's name and in its shape, with random numbers."""
    width = sizes["n_embd"]
    shapes: dict[str, tuple[int, ...]] = {
        "wte": (sizes["n_vocab"], width),
        "wpe": (sizes["n_ctx"], width),
        "ln_f/g": (width,),
        "ln_f/b": (width,),
    }
    for layer in range(sizes["n_layer"]):
        for norm in ("ln_1", "ln_2"):
            shapes |= {f"h{layer}/{norm}/{leaf}": (width,) for leaf in "gb"}
        parts = {
            "attn/c_attn": (width, 3 * width),
            "attn/c_proj": (width, width),
            "mlp/c_fc": (width, 4 * width),
            "mlp/c_proj": (4 * width, width),
        }
        for part, (wide, out) in parts.items():
            shapes |= {f"h{layer}/{part}/w": (1, wide, out), f"h{layer}/{part}/b": (out,)}
    generator = np.random.default_rng(seed)
    return {
        f"model/{name}": generator.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()
    }


def write_vocabulary(folder: Path, tokens: int) -> None:
    """encoder.json and vocab.bpe in GPT-2's form: a few letters, a few merges, and <|endoftext|> last."""
    merges = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("a", "n"), ("i", "n"), ("o", "n")]
    letters = [*string.ascii_letters[:35], *".,'!-?", "Ġ", "Ċ", "0"]
    names = [*letters, *(left + right for left, right in merges)]
    assert len(names) < tokens, f"at least {len(names) + 1} tokens are needed"
    names += [f"unused{number}" for number in range(tokens - 1 - len(names))]
    ids = {name: id for id, name in enumerate([*names, "<|endoftext|>"])}
    (folder / "encoder.json").write_text(json.dumps(ids))
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges), ""]
    (folder / "vocab.bpe").write_text("\n".join(lines), encoding="utf-8")


def main(folder: Path, sizes: dict[str, int]) -> None:
    """Write the seven files of a model, and expected.npz with the numbers in it."""
    import tensorflow as tf  # pyright: ignore[reportMissingModuleSource]

    folder.mkdir(parents=True, exist_ok=True)
    arrays = variables(sizes)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, array in arrays.items():
            tf.compat.v1.get_variable(name, initializer=array)
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(write_version=tf.compat.v1.train.SaverDef.V2)
        saver.save(session, str(folder / "model.ckpt"), write_meta_graph=False)
    (folder / "hparams.json").write_text(json.dumps(sizes))
    write_vocabulary(folder, sizes["n_vocab"])
    np.savez(folder / "expected.npz", allow_pickle=False, **arrays)
    print(f"TensorFlow {tf.__version__}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]) if len(sys.argv) > 2 else TINY)
