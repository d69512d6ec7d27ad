"""Values of every kind that a model may have come back from a file as they were."""

import decimal
import json
import re
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from conftest import small
from hypothesis import given, strategies
from hypothesis.extra import numpy as numpy_strategies
from mixed_frames import LIBRARIES, assert_equal, make_frame
from saved_models import through_file
from sklearn.compose import make_column_selector
from sklearn.preprocessing import StandardScaler
from torch import nn

import skvae
from skvae._persistence.classes import CLASSES, names_of_classes
from skvae._persistence.container import packed, unpacked
from skvae._persistence.reader import Reader
from skvae._persistence.writer import NotWritableError, Writer


def through(value):
    """Return a value that was written to the bytes of a file and read from them."""
    writer = Writer(names_of_classes(CLASSES))
    document = {"root": writer.node(value), "objects": writer.objects}
    content = b"".join(map(bytes, packed(document, writer.entries)))
    document, entries = unpacked(content)
    return Reader(entries, CLASSES, {}).read(document)


def assert_same(found, value):
    """Assert that two values are equal, in the types of all their parts."""
    assert type(found) is type(value)
    if isinstance(value, dict):
        assert_same(list(found.items()), list(value.items()))
    elif isinstance(value, list | tuple):
        assert len(found) == len(value)
        for own, other in zip(found, value, strict=True):
            assert_same(own, other)
    elif isinstance(value, np.ndarray):
        assert found.dtype == value.dtype
        np.testing.assert_array_equal(found, value, strict=True)
        assert found.flags.writeable
    elif isinstance(value, float | np.floating):
        np.testing.assert_equal(found, value)
    else:
        assert found == value


VALUES = [
    *(None, True, False, 0, -1, 10**30, "", "é\ud800\n\0", 0.1, -0.0, 1e-320, 2.0),
    *(float("nan"), float("inf"), -float("inf"), b"", b"\0\xff", [], (), {}, set()),
    *([1, [2, (3, [None])]], {1: "a", "1": 2, (1, None): {2.5: []}, None: 0}),
    *({"object": 1}, {"a", "b"}, slice(1, None, 2), range(3, 9, 2)),
    *(np.float32(0.1), np.float64("nan"), np.int64(-5), np.bool_(True), np.uint8(7)),
    *(
        np.str_("ab"),
        np.float16(2),
        np.dtype("int8"),
        np.dtype("<U3"),
        np.dtype(object),
    ),
    *(np.float32, np.number, float, object, torch.float16, torch.device("cuda:1")),
    np.array(3.5),
    np.array([], dtype=np.float32),
    np.zeros((0, 3), dtype=np.int64),
    np.arange(6).reshape(2, 3).astype(bool),
    np.array(["a", "bcd", ""]),
    np.array([b"a", b"bc"]),
    np.array([[1, None], ["a", (2, 3)]], dtype=object),
    np.array([], dtype=object),
    np.array([1 + 2j], dtype=np.complex64),
    np.array([1.0, 2.0], dtype=">f8").astype("=f8"),
    pd.Interval(0.5, 2, closed="left"),
]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_value_comes_back(value):
    assert_same(through(value), value)


@given(
    strategies.recursive(
        strategies.none()
        | strategies.booleans()
        | strategies.integers()
        | strategies.floats()
        | strategies.text()
        | strategies.binary(),
        lambda inner: (
            strategies.lists(inner)
            | strategies.lists(inner).map(tuple)
            | strategies.dictionaries(strategies.text() | strategies.integers(), inner)
        ),
        max_leaves=10,
    )
)
def test_nested_values_come_back(value):
    assert_same(through(value), value)


@given(
    numpy_strategies.arrays(
        numpy_strategies.scalar_dtypes().filter(
            lambda t: t.kind not in "mMcV" and t.itemsize <= 8 and t.isnative
        ),
        numpy_strategies.array_shapes(min_dims=0, min_side=0, max_dims=4, max_side=4),
    ),
    strategies.randoms(use_true_random=False),
)
def test_arrays_come_back_in_their_order(array, random):
    axes = random.sample(range(array.ndim), array.ndim)
    array = array.transpose(axes)
    found = through(array)
    assert_same(found, array)
    if array.size and array.itemsize:
        strides = np.array([found.strides, array.copy(order="K").strides])
        assert (np.ptp(strides, axis=0)[np.array(array.shape) > 1] == 0).all()


@pytest.mark.parametrize("name", ["float64", "bfloat16", "float16", "int32", "bool"])
def test_tensors_come_back_with_their_strides(name):
    dtype = getattr(torch, name)
    values = torch.arange(24).reshape(2, 3, 2, 2).to(dtype)
    for tensor in (
        values,
        values.contiguous(memory_format=torch.channels_last),
        values[:, :1].contiguous(memory_format=torch.channels_last),
        values.permute(3, 1, 0, 2),
        values[0, 0, 0, 0],
        values[:0],
    ):
        found = through(tensor)
        assert torch.equal(found, tensor)
        assert found.dtype == dtype
        assert found.stride() == tensor.stride()
    expanded = values[:1].expand(5, 3, 2, 2)
    assert torch.equal(through(expanded), expanded)


def test_parts_of_large_tensors_are_written_alone():
    writer = Writer({})
    writer.node([torch.zeros(1000)[:3], np.zeros(1000)[::300]])
    assert sum(entry.data.nbytes for entry in writer.entries.values()) == 12 + 32


def test_what_is_in_two_places_stays_one():
    array, tensor, layer = np.zeros(3), torch.zeros(2), nn.Linear(1, 1)
    found = through({"a": [array, tensor, layer], "b": (array, tensor, layer)})
    assert all(one is other for one, other in zip(*found.values(), strict=True))
    assert len({id(value) for value in found["a"]}) == 3


def test_arrays_of_equal_names_are_kept_apart():
    found = through({1: np.zeros(2), "1": np.ones(2), "1#2": np.full(2, 2.0)})
    assert [float(v[0]) for v in found.values()] == [0, 1, 2]
    found = through({"__metadata__": np.zeros(2)})
    assert list(found) == ["__metadata__"]


def test_random_states_go_on():
    generator = np.random.RandomState(3)
    generator.normal(size=3)
    found = through(generator)
    np.testing.assert_array_equal(found.normal(size=700), generator.normal(size=700))


def test_selectors_of_columns_come_back():
    selector = make_column_selector("a", dtype_include=[object, np.number, "category"])
    assert vars(through(selector)) == vars(selector)


class Own(nn.Module):
    """A module that skvae does not know."""


class OwnTensor(torch.Tensor):
    """A tensor of a class that skvae does not know."""


LOOP: list = []
LOOP.append(LOOP)
DEEP: list = []
for _ in range(1000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda x: x, "does not know function as data"),
        (print, "does not know builtin_function_or_method"),
        (Own, "it is the class Own"),
        (Own(), "does not know Own as data"),
        (StandardScaler(), "does not know StandardScaler"),
        (decimal.Decimal(1), "does not know Decimal"),
        (np.datetime64("2020-01-01"), "a number of the type datetime64"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "an array of datetime64"),
        (np.array([(1, 2)], dtype="i4,i4"), "it is an array of"),
        (np.ma.array([1.0], mask=[True]), "does not know MaskedArray"),
        (torch.zeros(2).to_sparse(), "layout torch.sparse_coo"),
        (torch.zeros(2, dtype=torch.complex128), "a tensor of complex128"),
        (torch.zeros(2).as_subclass(OwnTensor), "of the class OwnTensor"),
        (np.random.default_rng(0), "does not know Generator"),
        (pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}), "column of datetime64"),
        (pl.DataFrame({"a": [[1]]}), "a column of List"),
        (LOOP, "lies too deep"),
        (DEEP, "lies too deep"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_is_no_data_is_named(value, reason):
    with pytest.raises(
        NotWritableError, match=rf"(?s)part\.0[ .].*{re.escape(reason)}"
    ):
        through({"part": [value]})


def test_layer_that_is_a_part_of_itself_is_named():
    layer = nn.Sequential(nn.Tanh())
    vars(layer)["again"] = layer
    with pytest.raises(NotWritableError, match=r"again .*a part of itself"):
        through(layer)


COLUMNS = {
    "float": pd.Series([0.5, 1.5]),
    "float32": pd.Series([0.5, 1.5], dtype="float32"),
    "int8": pd.Series([1, 2], dtype="int8"),
    "bool": pd.Series([True, False]),
    "object": pd.Series(["a", "b"], dtype=object),
    "str": pd.Series(["a", "b"]),
    "string": pd.Series(["a", "b"], dtype="string"),
    "python": pd.Series(["a", "b"], dtype=pd.StringDtype("python")),
    "Int64": pd.Series([1, None], dtype="Int64"),
    "UInt8": pd.Series([1, None], dtype="UInt8"),
    "Float32": pd.Series([1, None], dtype="Float32"),
    "boolean": pd.Series([True, None], dtype="boolean"),
    "arrow": pd.Series([1, 2], dtype="int16[pyarrow]"),
    "arrow float": pd.Series([1, 2], dtype="float[pyarrow]"),
    "arrow double": pd.Series([1, 2], dtype="double[pyarrow]"),
    "arrow bool": pd.Series([True, None], dtype="bool[pyarrow]"),
    "category": pd.Series(pd.Categorical(["a", "b"], ["b", "a", "c"])),
    "ordered": pd.Series(pd.Categorical([3, 1], [3, 1, 2], ordered=True)),
    "floats": pd.Series(pd.Categorical([0.5, 1.5])),
    "bools": pd.Series(pd.Categorical([True, False])),
    "intervals": pd.Series(pd.cut([0.5, 1.5], [0, 1, 2])),
    "objects": pd.Series(pd.Categorical.from_codes([0, 1], pd.Index([1, "a"]))),
}
INDEXES = [
    pd.Index(["a", "b"]),
    pd.Index(["a", "b"], name="names", dtype=object),
    pd.RangeIndex(2),
    pd.RangeIndex(4, 8, 2, name="n"),
    pd.Index([3, 1]),
    pd.Index([(1, "a"), (1, "b")], tupleize_cols=False),
    pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["x", None]),
]


@pytest.mark.parametrize("name", COLUMNS)
def test_types_of_columns_of_pandas_come_back(name):
    head = pd.DataFrame({name: COLUMNS[name]}).head(0)
    found = through(head)
    pd.testing.assert_frame_equal(found, head, check_index_type=False)
    assert found.dtypes.iloc[0] == head.dtypes.iloc[0]
    assert str(found.dtypes.iloc[0]) == str(head.dtypes.iloc[0])


@pytest.mark.parametrize("index", INDEXES, ids=repr)
def test_names_of_columns_of_pandas_come_back(index):
    head = pd.DataFrame([[1, 2]], columns=index).head(0)
    pd.testing.assert_index_equal(through(head).columns, index, exact=True)


SCHEMA = {
    "a": pl.Int8(),
    "b": pl.UInt64(),
    "c": pl.Float32(),
    "d": pl.Boolean(),
    "e": pl.String(),
    "f": pl.Categorical(),
    "g": pl.Enum(["x", "y"]),
    "h": pl.Null(),
}


def test_types_of_columns_of_polars_come_back():
    head = pl.DataFrame(schema=SCHEMA)
    assert through(head).schema == head.schema
    assert type(through(head)) is pl.DataFrame


def test_frame_of_all_columns_can_be_modelled(tmp_path):
    rng = np.random.default_rng(0).integers(0, 2, (len(COLUMNS), 60))
    taken = {
        name: column.iloc[rows].reset_index(drop=True)
        for (name, column), rows in zip(COLUMNS.items(), rng, strict=True)
    }
    frame = pd.DataFrame(taken)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = small(max_epochs=1).fit(frame)
        loaded = through_file(model, tmp_path / "model")
        drawn = [m.sample(9, random_state=0) for m in (loaded, model)]
    assert_equal(*drawn)


@pytest.mark.parametrize("library", LIBRARIES)
def test_library_that_is_not_installed_is_named(library, tmp_path, monkeypatch):
    small(max_epochs=1).fit(LIBRARIES[library](make_frame())).save(tmp_path / "model")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=f"frame of {library}, which must be inst"):
        skvae.load(tmp_path / "model")


def test_columns_with_names_that_are_no_strings_come_back(tmp_path):
    frame = make_frame()[["age", "city", "spent"]]
    frame.columns = [3, ("a", 1), 2.5]
    model = small(max_epochs=1).fit(frame)
    loaded = through_file(model, tmp_path / "model")
    assert_equal(*(m.sample(5, random_state=0) for m in (loaded, model)))


def test_document_is_json_without_extensions(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    content = (tmp_path / "model").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    json.loads(header["__metadata__"]["skvae"], parse_constant=pytest.fail)
