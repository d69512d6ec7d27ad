"""Files that are made to do harm are refused; the checksum of all of them is right."""

import importlib
import json
import sys

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from conftest import outputs, small
from mixed_frames import make_frame
from saved_models import changed, entry_of, file_of, header_of, with_header

import skvae
from skvae._persistence.arrays import array_of_entry, tensor_of_entry
from skvae._persistence.container import Entry, packed, unpacked
from skvae._persistence.values import CODECS
from skvae.estimators import _files  # noqa: F401 -- `load` imports it when it is called

REST = '"format":1,"versions":{},"supplied":{},"objects":[],"root":null}'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skvae"


@pytest.fixture(autouse=True)
def no_imports(monkeypatch):
    """Fail if anything is imported by its name."""

    def refuse(name, *_):
        raise AssertionError(f"{name} must not be imported")

    monkeypatch.setattr(importlib, "import_module", refuse)


def refused(path, match):
    before = set(sys.modules)
    with pytest.raises(ValueError, match=match):
        skvae.load(path)
    assert set(sys.modules) == before


NAMES = [
    *("os.system", "builtins.eval", "subprocess.Popen", "skvae.networks.MLP"),
    *("skvae._utils.cache.Cache", "torch.jit.ScriptModule", "torch.load", "skvae.load"),
    *("sklearn.Pipeline", "sklearn.FunctionTransformer", "", "skvae.", "antigravity"),
    *("skvae.BaseAutoencoder.__init__", ["skvae.MLP"], None, 3),
]


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_class_that_is_not_listed_is_refused(name, path):
    file_of(path, {"object": 0}, [{"class": name, "state": {}}])
    refused(path, "not valid")


def test_class_of_a_part_that_is_not_supplied_is_refused(path):
    file_of(path, {"object": 0}, [{"class": "network:OwnNetwork", "state": {}}])
    refused(path, r"parts\['network'\] must be, or hold")


def test_object_that_is_no_estimator_is_refused(path):
    state = {"hidden_layer_sizes": [3], "activation": "relu", "skip": True}
    file_of(path, {"object": 0}, [{"class": "skvae.MLP", "state": state}])
    refused(path, "holds no estimator, but an object of MLP")


@pytest.mark.parametrize("name", ["__reduce_ex__", "__class__", "a.b", "", "1a"])
def test_attribute_that_no_object_has_is_refused(name, path):
    file_of(path, {"object": 0}, [{"class": "skvae.VAE", "state": {name: None}}])
    refused(path, f"cannot have an attribute '{name}'")


LINEAR = {"class": "torch.Linear", "state": {"training": True}}


@pytest.mark.parametrize(
    "state",
    [
        {"_forward_hooks": {"dict": [[0, {"object": 0}]]}},
        {"_modules": {"dict": [["a", 3]]}},
        {"_parameters": {"dict": [["weight", [1.0]]]}},
        {"_buffers": {"dict": [["weight", "text"]]}},
        {"_modules": [1]},
    ],
    ids=str,
)
def test_module_with_other_parts_is_refused(state, path):
    file_of(path, {"object": 1}, [LINEAR, {"class": "torch.Linear", "state": state}])
    refused(path, "not valid")


VALUES = [
    *({"nothing": 1}, {"tuple": 1}, {"dict": [[1, 2, 3]]}, {"dict": [[[], 1]]}),
    *({"float": "1.5"}, {"float": "__import__('os')"}, {"type": "os.system"}),
    *({"dtype": "f4,(9999,9999)f8"}, {"dtype": "O8"}, {"dtype": "datetime64[s]"}),
    *({"scalar": ["<U99999999999", "a"]}, {"bytes": "xy"}, {"torch.dtype": "load"}),
    *({"torch.device": "os"}, {"object": 0}, {"object": -1}, {"object": True}, {}),
    *({"tuple": [], "set": []}, {"dict": [[1, 2], [1, 3]]}, {"object": 1.0}),
    *(
        {"type": "numpy.load"},
        {"set": [[]]},
        {"slice": [1, 2, 3, 4]},
        {"frame": {"dict": []}},
    ),
    {"frame": {"dict": [["library", "os"]]}},
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_value_that_is_none_is_refused(value, path):
    file_of(path, value)
    refused(path, "not valid")


@pytest.mark.parametrize("number", [-1, 1, True, 0.0])
def test_object_that_is_not_there_is_refused(number, path):
    file_of(path, {"object": number}, [LINEAR])
    refused(path, "not valid")


@pytest.mark.parametrize("place", [-1, 625, 10**12])
def test_generator_that_would_read_beyond_its_state_is_refused(place):
    state = [np.zeros(624, np.uint32), place, 0, 0.0]
    with pytest.raises(ValueError, match=f"at place {place}"):
        CODECS["random_state"].rebuilt(state)


@pytest.mark.parametrize("dtype", ["datetime64[ns]", "period[D]", "Sparse[int]", "x"])
def test_type_of_a_column_that_is_not_listed_is_refused(dtype, path):
    pandas = {"library": "pandas", "index": {"range": [0, 1, 1], "name": None}}
    parts = [{**pandas, "types": [dtype]}, {**pandas, "types": [{"arrow": dtype}]}]
    parts += [{"library": "polars", "columns": [["a", dtype]]}]
    for part in parts:
        with pytest.raises((ValueError, TypeError), match=r"no type"):
            CODECS["frame"].rebuilt(part)


@pytest.mark.parametrize(
    ("dtype", "stride"), [("float32", [10**9]), ("float32", [-1]), ("int64", [1])]
)
def test_strides_and_types_of_a_tensor_are_checked(dtype, stride):
    entry = entry_of(np.zeros(3, np.float32))
    with pytest.raises((ValueError, RuntimeError)):
        tensor_of_entry(entry, dtype, stride)


@pytest.mark.parametrize(
    ("dtype", "shape", "order"),
    [
        *(("float32", [10**9], [0]), ("float32", [3], [0, 1]), ("float64", [3], [0])),
        *(("object", [3], [0]), ("<U1000000000", [1], [0]), ("float32", [3], [7])),
    ],
)
def test_shapes_and_types_of_an_array_are_checked(dtype, shape, order):
    entry = entry_of(np.zeros(3, np.float32 if dtype[0] == "f" else np.uint8))
    with pytest.raises((ValueError, IndexError)):
        array_of_entry(entry, dtype, shape, order)


def test_array_of_objects_of_a_huge_shape_is_refused(path):
    shape = [10**6, 10**6]
    file_of(path, {"object": 0}, [{"objects": {"shape": shape, "items": []}}])
    refused(path, "not valid")


@pytest.mark.parametrize(
    "text",
    [
        REST.replace("null", "[" * 100_000 + "]" * 100_000),
        REST.replace("null", '{"tuple":[' * 900 + "]}" * 900),
        REST.replace("null", "[" * 400 + "]" * 400),
        REST.replace("null", "1" * 5000),
        REST.replace('"format":1', '"format":1,"format":1'),
        REST.replace("null", '{"a":1,"a":1}'),
        REST.replace("null", ""),
        REST[:-1],
        "",
        '"format":1}',
        REST.replace('"format":1', '"format":true'),
        REST.replace('"format":1', '"format":"1"'),
        REST.replace('"versions":{}', '"versions":{"skvae":[1]}'),
        REST.replace('"supplied":{}', '"supplied":[]'),
        REST.replace('"objects":[]', '"objects":{"a":1}'),
        REST.replace('"objects":[]', '"objects":[3]'),
        REST.replace('"objects":[]', '"objects":[{}]'),
    ],
    ids=lambda text: text[:60],
)
def test_document_that_is_not_valid_is_refused(text, path):
    with_header(path, header_of(text))
    refused(path, None)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_number_that_json_does_not_have_is_refused(number, path):
    with_header(path, header_of(REST.replace("null", number)))
    refused(path, f"not valid: it has the number {number}")


def test_key_of_the_document_that_is_there_twice_is_refused(path):
    with_header(path, header_of(REST.replace("null", '{"tuple":[],"tuple":[]}')))
    refused(path, "has a key twice")


ENTRY = ',"a":{"dtype":"F32","shape":[%s],"data_offsets":[%s]}'


@pytest.mark.parametrize(
    ("entries", "n_bytes"),
    [
        (ENTRY % ("1000000000000", "0,4000000000000"), 4),
        (ENTRY % ("2", "0,4"), 4),
        (ENTRY % ("1", "0,4"), 8),
        (ENTRY % ("1", "4,8"), 8),
        (ENTRY % ("1", "0,4"), 0),
        (ENTRY % ("-1", "0,-4"), 0),
        (ENTRY % ("-1,-1", "0,4"), 4),
        (ENTRY % ("1.0", "0,4"), 4),
        (ENTRY % ("true", "0,4"), 4),
        (ENTRY % ("1", "0,4") + (ENTRY % ("1", "0,4")).replace('"a"', '"b"'), 8),
        ((ENTRY % ("1", "0,4")).replace("F32", "F128"), 4),
        (',"a":3', 0),
        (',"a":{}', 0),
    ],
)
def test_entries_that_do_not_fill_the_file_are_refused(entries, n_bytes, path):
    with_header(path, header_of(REST, entries), bytes(n_bytes))
    refused(path, "not valid")
    with pytest.raises(safetensors.SafetensorError):
        safetensors.deserialize(path.read_bytes())


def test_entry_that_is_there_twice_is_refused(path):
    with_header(path, header_of(REST, ENTRY % ("1", "0,4") * 2), bytes(4))
    refused(path, "has a key twice")


@pytest.mark.parametrize("length", [0, 9, 10**6, 2**63, 2**64 - 1])
def test_length_of_the_header_is_checked(length, path):
    with_header(path, header_of(REST), length=length)
    refused(path, None)


def test_library_of_a_table_is_not_read_from_the_file(path, monkeypatch):
    frame = make_frame()
    monkeypatch.undo()
    model = small().fit(frame)
    model.save(path)

    def change(document):
        for written in document["objects"]:
            if written.get("class") == "skvae.Table":
                written["state"]["library"] = "antigravity"

    changed(path, change)
    refused(path, "Table cannot have an attribute 'library'")


def test_files_written_by_hand_are_as_safetensors_reads_them():
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    entries = {"b": Entry("F32", (2, 3), values), "a": Entry("U8", (0,), b"")}
    content = b"".join(map(bytes, packed({"x": 1}, entries)))
    document, found = unpacked(content)
    assert document["x"] == 1
    for name, tensor in safetensors.deserialize(content):
        assert tuple(tensor["shape"]) == found[name].shape == entries[name].shape
        assert bytes(tensor["data"]) == bytes(found[name].data)
        assert tensor["dtype"] == found[name].dtype


def test_bytes_are_those_of_the_writer_of_safetensors():
    types = {
        "b": ("u1", "U8"),
        "a": ("f4", "F32"),
        "d": ("i8", "I64"),
        "c": ("f2", "F16"),
    }
    arrays = {name: np.arange(3, dtype=dtype) for name, (dtype, _) in types.items()}
    entries = {
        name: Entry(kind, (3,), arrays[name].view(np.uint8))
        for name, (_, kind) in types.items()
    }
    content = b"".join(map(bytes, packed({"x": 1}, entries)))
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = header["__metadata__"]
    assert content == safetensors.numpy.save(arrays, metadata=metadata)


def test_file_that_is_only_read_and_written_again_stays_the_same(path, X):
    model = small().fit(X)
    model.save(path)
    content = path.read_bytes()
    changed(path, lambda document: None)
    assert path.read_bytes() == content
    assert outputs(skvae.load(path), X).keys() == outputs(model, X).keys()
