import pytest

from timesformer.tables import choose


def test_a_row_is_found_and_a_wrong_name_lists_the_rows():
    table = {"sgd": 1, "adamw": 2}
    assert choose(table, "adamw", key="K") == 2
    with pytest.raises(ValueError, match="K is 'adam'; choose one of sgd, adamw"):
        choose(table, "adam", key="K")
