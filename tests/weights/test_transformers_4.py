"""Our folders in transformers 4, which many programs still use: run where an interpreter with it is named."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModel, AutoModelForCausalLM

from groundup.model.decoder import Decoder
from groundup.weights.folder import load, save
from groundup.zoo import FAMILIES
from tests.text.kinds import KINDS
from tests.zoo.conftest import EXAMPLES, make_case

TEXT = "The miller's wind, 1234 and été"
PROGRAM = """
import json, sys, torch, transformers
from pathlib import Path
from safetensors.torch import load_file
TEXT = sys.stdin.read()
found = {"version": transformers.__version__}
for folder in map(Path, sys.argv[1:]):
    known = load_file(folder / "known.safetensors")
    which = transformers.AutoModel if "result" in known else transformers.AutoModelForCausalLM
    # "eager", because the GPT-2 of 4.57 forgets scale_attn_weights=False in its other attention.
    model, told = which.from_pretrained(folder, output_loading_info=True, attn_implementation="eager")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        out = model.eval()(known["ids"])
    right, out = (known["result"], out[0]) if "result" in known else (known["logits"], out.logits)
    found[folder.name] = {
        "difference": (out - right).abs().max().item(),
        "told": {key: sorted(map(str, value)) for key, value in told.items() if value},
        "ids": tokenizer(TEXT, add_special_tokens=False)["input_ids"],
    }
print(json.dumps(found))
"""
CASES = [(family, shape) for family in FAMILIES.names() for shape in EXAMPLES[family].shapes]


@pytest.mark.slow
def test_transformers_4_opens_our_folders_of_every_family_with_the_same_results_and_ids(tmp_path: Path):
    interpreter = os.environ.get("GROUNDUP_TRANSFORMERS_4")
    if interpreter is None:
        pytest.skip("Set GROUNDUP_TRANSFORMERS_4 to a Python that has transformers 4 and torch.")
    expected = {}
    for number, (name, shape) in enumerate(CASES):
        is_decoder = FAMILIES.get(name).model is Decoder
        place = tmp_path / f"theirs-{number}"
        case = make_case(name, shape, AutoModelForCausalLM if is_decoder else AutoModel, place)
        if not is_decoder:
            KINDS["bert"].make().save(place)
        loaded = load(place)
        save(ours := tmp_path / f"{number} {name}", loaded)
        with torch.no_grad():
            result = loaded.model(case.ids)
        known = {"logits": result} if is_decoder else {"result": result[0]}
        save_file({"ids": case.ids, **known}, ours / "known.safetensors")
        expected[ours.name] = loaded.tokenizer.encode(TEXT)
    command = [interpreter, "-c", PROGRAM, *(str(tmp_path / name) for name in expected)]
    done = subprocess.run(
        command, input=TEXT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("version").startswith("4.")
    assert found.keys() == expected.keys()
    for name, ids in expected.items():
        assert found[name]["difference"] < 1e-5, name
        assert not found[name]["told"], name
        assert found[name]["ids"] == ids, name
