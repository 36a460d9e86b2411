"""What a method needs of its columns, and what is said when they do not have it."""

import pytest

from service.errors import InputError
from worker.lossval.encoding import FeatureSpec
from worker.tables import Classes, check_same_features, feature_specifications, number_target, read_table


def table_of(folder, text, name="t.csv"):
    (folder / name).write_text(text)
    return read_table(folder / name)


@pytest.fixture
def train(tmp_path):
    return table_of(tmp_path, "v,belt,abs,y\n56,a,true,20\n48,b,false,21\n50,a,true,22\n", "train.csv")


def test_features_come_in_the_order_of_the_first_table_whatever_the_second_has(tmp_path, train):
    other = table_of(tmp_path, "abs,belt,v\ntrue,c,1\n")
    names = check_same_features(train, other, besides={"y"})
    assert names == ["v", "belt", "abs"]
    assert feature_specifications(train, names) == [
        FeatureSpec("v", "continuous"),
        FeatureSpec("belt", "categorical"),
        FeatureSpec("abs", "boolean"),
    ]
    assert other.records(names) == [{"v": 1.0, "belt": "c", "abs": True}]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("v,belt\n1,a\n", "t.csv: column 'abs' is missing, which "),
        ("v,belt,abs,w\n1,a,true,1\n", "train.csv: column 'w' is missing, which "),
        ("belt,w,x\na,1,1\n", "t.csv: columns 'v', 'abs' are missing"),
        ("v,belt,abs\n1,2,true\n", "column 'belt' is a number column, in "),
        ("v,belt,abs\n1,a,true\n,a,true\n", "row 1 (counted from 0), column 'v': has no value"),
        ("v,belt,abs\nnan,a,true\n", "row 0 (counted from 0), column 'v': has no value"),
        ("v,belt,abs\n1,,true\n1,,true\n", "column 'belt': has no value (empty or NaN), one of 2 such rows"),
        ("v,belt,abs\n1,a,true\n-inf,a,true\n", "row 1 (counted from 0), column 'v': is infinite"),
        ("v,belt,abs\n1,a,true\n1e400,a,true\n", "column 'v': is infinite"),
        ("v,belt,abs\n9e15,a,true\n", "column 'v': is beyond 1e+15"),
    ],
)
def test_tables_that_do_not_fit(tmp_path, train, other, message):
    with pytest.raises(InputError) as refused:
        check_same_features(train, table_of(tmp_path, other), besides={"y"})
    assert message in str(refused.value)
    assert refused.value.hint


def test_a_table_of_nothing_but_the_target(tmp_path):
    table = table_of(tmp_path, "y\n1\n2\n")
    with pytest.raises(InputError, match="no feature column is left"):
        check_same_features(table, table, besides={"y"})


def test_a_mistyped_name_gets_its_neighbour(train):
    with pytest.raises(InputError, match=r"there is no column 'bellt'\. Did you mean 'belt'"):
        train.complete("bellt")
    with pytest.raises(InputError, match="Columns are: v, belt, abs, y"):
        train.complete("rolc_g")


def test_an_identifier_is_no_feature(tmp_path):
    table = table_of(tmp_path, "id,y\nT-1,1\nT-2,2\nT-3,3\n")
    with pytest.raises(InputError, match="column 'id' has another text in every row"):
        feature_specifications(table, ["id"])
    many = "".join(f"c{i // 2},{i}\n" for i in range(2002))
    with pytest.raises(InputError, match="column 'id' has 1001 texts"):
        feature_specifications(table_of(tmp_path, "id,y\n" + many), ["id"])


def test_targets(train):
    assert number_target(train, "y").tolist() == [20.0, 21.0, 22.0]
    with pytest.raises(InputError, match=r"the target 'belt' is a text column.*--task classification"):
        number_target(train, "belt")


def test_a_row_without_target_is_named_and_the_target_cannot_be_ignored(tmp_path):
    table = table_of(tmp_path, "v,y\n1,2\n2,\n3,4\n")
    for read in (number_target, Classes.of):
        with pytest.raises(InputError) as refused:
            read(table, "y")
        assert "row 1 (counted from 0), column 'y': has no value" in str(refused.value)
        assert "--ignore" not in str(refused.value)
    with pytest.raises(InputError, match="--ignore y"):
        table.complete("y")


def test_a_target_that_never_changes(tmp_path):
    table = table_of(tmp_path, "v,y,z\n1,300.1,a\n2,300.1,a\n")
    with pytest.raises(InputError, match=r"the target 'y' is 300\.1 in every row"):
        number_target(table, "y")
    with pytest.raises(InputError, match="the target 'z' is 'a' in every row"):
        Classes.of(table, "z")


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["mild", "severe", "mild", "deadly"], ("deadly", "mild", "severe")),
        (["2", "0", "2", "7"], (0.0, 2.0, 7.0)),
        (["true", "false", "true", "true"], (False, True)),
    ],
)
def test_classes_are_any_labels(tmp_path, cells, labels):
    table = table_of(tmp_path, "v,y\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells * 2)))
    classes = Classes.of(table, "y")
    assert classes.labels == labels
    indices = classes.indices(table, "y")
    assert [labels[int(index)] for index in indices] == table.column("y").values.tolist()


def test_a_measured_number_is_no_class(tmp_path):
    table = table_of(tmp_path, "v,y\n" + "".join(f"{i},{i * 1.5}\n" for i in range(10)))
    with pytest.raises(InputError, match=r"10 classes in 10 rows\. .*--task regression"):
        Classes.of(table, "y")


def test_a_class_that_was_not_trained(tmp_path):
    classes = Classes.of(table_of(tmp_path, "v,y\n1,a\n2,b\n3,a\n4,b\n"), "y")
    with pytest.raises(InputError, match=r"row 1 \(counted from 0\): no training row has the class 'c'"):
        classes.indices(table_of(tmp_path, "v,y\n1,a\n2,c\n"), "y")
    with pytest.raises(InputError, match="is a number column, in the training table a text column"):
        classes.indices(table_of(tmp_path, "v,y\n1,1\n2,2\n"), "y")
