"""Where the packages lie; everything else about the build is in pyproject.toml.

``ops/`` and ``data_prep/`` stand at the top of the repository and are imported as ``cpwc_keras.ops`` and
``cpwc_keras.data_prep``. setuptools can only be told so with ``package_dir``, and then wants every subpackage listed.
"""

from setuptools import find_namespace_packages, setup

TOP_LEVEL = {"ops": "cpwc_keras.ops", "data_prep": "cpwc_keras.data_prep"}

package_dir = {name: folder for folder, name in TOP_LEVEL.items()}
NO_PACKAGES = ["__pycache__", "*.__pycache__"]

# Namespace packages are those folders that hold data alone (presets, assets).
packages = find_namespace_packages(include=["cpwc_keras", "cpwc_keras.*"], exclude=NO_PACKAGES)
for folder, name in TOP_LEVEL.items():
    subpackages = find_namespace_packages(folder, exclude=NO_PACKAGES)
    packages += [name, *(f"{name}.{subpackage}" for subpackage in subpackages)]
    package_dir |= {f"{name}.{subpackage}": f"{folder}/{subpackage.replace('.', '/')}" for subpackage in subpackages}

setup(packages=packages, package_dir=package_dir)
