"""What `import cpwc_keras` offers."""

import cpwc_keras


def test_what_the_package_offers_is_listed_and_there():
    listed = [name for name in dir(cpwc_keras) if not name.startswith("_")]
    assert listed == ["read", "track"]
    assert all(callable(getattr(cpwc_keras, name)) for name in listed)
