import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpwc_keras.data.splits import leave_vendor_out, require_disjoint_patients, split_by_patient
from cpwc_keras.errors import InputError
from cpwc_keras.types import DatasetItem


def _item(patient, number=0, vendor=""):
    return DatasetItem(f"{patient}/{number}", "test", 2, lambda: None, patient=patient, vendor=vendor)


PATIENTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=60, unique=True)
SHARES = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(lambda parts: [part / sum(parts) for part in parts])


@given(PATIENTS, SHARES, st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_no_split_leaks_loses_or_depends_on_the_order(pairs, fractions, seed, random):
    items = [_item(f"patient{patient}", number) for patient, number in pairs]
    patients = {item.patient for item in items}
    if len(patients) < len(fractions):
        with pytest.raises(InputError, match="cannot be split"):
            split_by_patient(items, fractions, seed)
        return
    parts = split_by_patient(items, fractions, seed)
    require_disjoint_patients(*parts)
    assert sorted(item.name for part in parts for item in part) == sorted(item.name for item in items)
    counts = [len({item.patient for item in part}) for part in parts]
    assert min(counts) >= 1
    shuffled = list(items)
    random.shuffle(shuffled)
    again = split_by_patient(shuffled, fractions, seed)
    assert [{item.name for item in part} for part in again] == [{item.name for item in part} for part in parts]


def test_shares_are_of_patients_and_the_seed_matters():
    items = [_item(f"patient{p:03d}", n) for p in range(100) for n in range(p % 5 + 1)]
    parts = split_by_patient(items, seed=1)
    assert [len({item.patient for item in part}) for part in parts] == [60, 10, 30]
    assert parts == split_by_patient(items, seed=1)
    assert parts != split_by_patient(items, seed=2)


def test_vendors():
    items = [_item(f"{vendor}{n}", n, vendor) for vendor in ("GE", "Philips", "Siemens", "Esaote") for n in range(3)]
    train, validation, test = leave_vendor_out(items, test="GE", validation="Siemens")
    assert {item.vendor for item in train} == {"Philips", "Esaote"}
    assert {item.vendor for item in validation} == {"Siemens"}
    assert {item.vendor for item in test} == {"GE"}
    with pytest.raises(InputError, match="'Toshiba'"):
        leave_vendor_out(items, test="Toshiba", validation="GE")
    with pytest.raises(InputError, match="must differ"):
        leave_vendor_out(items, test="GE", validation="GE")
    with pytest.raises(InputError, match="none for training"):
        leave_vendor_out(items[:6], test="GE", validation="Philips")


def test_a_patient_scanned_by_two_vendors_is_refused():
    items = [_item("a", vendor="GE"), _item("a", 1, vendor="Philips"), _item("b", vendor="Siemens")]
    with pytest.raises(InputError, match="Patient 'a' would leak"):
        leave_vendor_out(items, test="GE", validation="Philips")


def test_an_item_without_a_patient_is_refused():
    with pytest.raises(InputError, match="names no patient"):
        split_by_patient([_item(""), _item("b")], (0.5, 0.5))


@pytest.mark.parametrize("fractions", [(0.5, 0.6), (1.0, 0.0), (-0.5, 1.5)])
def test_fractions_must_be_shares(fractions):
    with pytest.raises(ValueError, match="sum to 1"):
        split_by_patient([_item("a"), _item("b")], fractions)
