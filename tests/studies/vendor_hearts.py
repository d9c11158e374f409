"""Small sequences of three vendors, as `simulate` leaves them, and a network that is small enough to train on them."""

from dataclasses import replace

from affine_hearts import sequence

from cpwc_keras.io.sequence_file import write_sequence

VENDORS = ("ESAOTE", "SAMSUNG MEDISON CO", "Siemens", "Siemens")
"""Of the sequences 0 to 3: for training, validation, and twice the test of Tables I and II."""

CONFIG = """
network_options: {skip_connections: false, context_levels: [], finest_level: 5, search_range: 1}
crop: [64, 64]
batch_size: 1
validation_pairs: 1
log_every: 1
"""


def write_vendors(folder, vendors=VENDORS, splits=("",) * 4) -> None:
    """A sequence for each vendor; the vendor stands for the patient."""
    for seed, (vendor, split) in enumerate(zip(vendors, splits, strict=True)):
        made = sequence(seed, patient=vendor or f"p{seed}")
        write_sequence(folder / f"s{seed}.h5", replace(made, vendor=vendor), {"split": split, "engine": "surrogate"})
