"""Synthetic DICOM files with known tags and pixels, then the real ones."""

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

import cpwc_keras
from cpwc_keras.errors import InputError
from cpwc_keras.io.dicom import read_dicom

RNG = np.random.default_rng(0)


def sector_frames(frames=6, height=120, width=160, box=(10, 100, 20, 140)):
    """Gray noise that changes inside of a triangle and is black outside: (T, H, W) uint8 and the triangle."""
    top, bottom, left, right = box
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, np.array([[(left + right) // 2, top], [right - 1, bottom - 1], [left, bottom - 1]]), 1)
    return RNG.integers(30, 200, (frames, height, width), dtype=np.uint8) * mask, mask.astype(bool)


def region(left, top, right, bottom, delta=0.05, **changes):
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = 1, 1, 2
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right, bottom
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX = item.PhysicalDeltaY = delta
    for name, value in changes.items():
        setattr(item, name, value)
    return item


def write(path, pixels, **tags):
    """An uncompressed file: (T, H, W) gray or (T, H, W, 3) RGB, uint8 or uint16."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID = "Secret^Name", "ID-4711"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = pixels.shape[0], pixels.shape[1], pixels.shape[2]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 4 else 1
    dataset.PhotometricInterpretation = "RGB" if pixels.ndim == 4 else "MONOCHROME2"
    if pixels.ndim == 4:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    dataset.PixelData = pixels.tobytes()
    for name, value in tags.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_region_is_cropped_with_anisotropic_spacing_and_frame_time(tmp_path):
    pixels, mask = sector_frames()
    tags = {"SequenceOfUltrasoundRegions": [region(20, 10, 139, 99, PhysicalDeltaX=0.03, PhysicalDeltaY=-0.05)]}
    loop = read_dicom(write(tmp_path / "a", pixels, FrameTime=20.0, **tags))
    assert loop.frames.shape == (6, 90, 120) and loop.frames.dtype == np.float32
    assert loop.spacing_mm == pytest.approx((0.5, 0.3))
    assert loop.frame_rate_hz == pytest.approx(50)
    inside = cv2.erode(mask.astype(np.uint8), np.ones((5, 5)))[10:100, 20:140].astype(bool)
    np.testing.assert_allclose(loop.frames[:, inside], pixels[:, 10:100, 20:140][:, inside] / 255, atol=1e-6)
    assert loop.notes == () and loop.patient == ""


def test_largest_tissue_region_wins_and_other_kinds_are_ignored(tmp_path):
    pixels, _ = sector_frames()
    regions = [
        region(0, 0, 159, 119, RegionDataType=2),
        region(0, 0, 159, 119, RegionSpatialFormat=2),
        region(0, 0, 20, 20, delta=0.9),
        region(20, 10, 139, 99, delta=0.02),
    ]
    loop = read_dicom(write(tmp_path / "a", pixels, SequenceOfUltrasoundRegions=regions))
    assert loop.frames.shape[1:] == (90, 120) and loop.spacing_mm == pytest.approx((0.2, 0.2))


def test_text_beside_the_sector_and_coloured_trace_inside_go(tmp_path):
    gray, mask = sector_frames()
    pixels = np.repeat(gray[..., None], 3, axis=-1)
    pixels[:, 5:15, 3:40] = 255  # static text
    for t in range(6):
        pixels[t, 80, 60 + 3 * t : 75 + 3 * t] = (0, 255, 0)  # a running trace
    frames = read_dicom(write(tmp_path / "a", pixels)).frames
    assert frames[:, 5:15, 3:40].max() == 0
    assert frames[:, 80, 55:100].max() < 210 / 255, "green has a luma of 150, filled in from gray below 200"
    wide = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5))).astype(bool)
    assert frames[:, ~wide].max() == 0


def test_a_tinted_image_keeps_its_brightness(tmp_path):
    gray, _ = sector_frames()
    pixels = np.stack([gray, gray // 2, gray // 8], axis=-1)
    loop = read_dicom(write(tmp_path / "a", pixels))
    assert any("coloured" in note for note in loop.notes)
    luma = pixels[2] @ np.array([0.299, 0.587, 0.114]) / 255
    np.testing.assert_allclose(loop.frames[2, 40:90, 75:85], luma[40:90, 75:85], atol=1 / 255)


def test_a_still_screen_is_left_as_it_is(tmp_path):
    pixels = np.repeat(RNG.integers(0, 255, (1, 30, 40), dtype=np.uint8), 3, axis=0)
    loop = read_dicom(write(tmp_path / "a", pixels))
    np.testing.assert_allclose(loop.frames, pixels / 255, atol=1e-6)
    assert any("No moving sector" in note for note in loop.notes)


@pytest.mark.parametrize(("inverted", "bits"), [(False, 16), (True, 8), (False, 8)])
def test_depth_and_inversion(tmp_path, inverted, bits):
    pixels, _ = sector_frames()
    stored = 255 - pixels if inverted else pixels
    stored = stored.astype(np.uint16) * 257 if bits == 16 else stored
    kind = "MONOCHROME1" if inverted else "MONOCHROME2"
    loop = read_dicom(write(tmp_path / "a", stored, PhotometricInterpretation=kind))
    np.testing.assert_allclose(loop.frames[:, 40:90, 75:85], pixels[:, 40:90, 75:85] / 255, atol=1 / 255)


@pytest.mark.parametrize(
    ("tags", "rate", "noted"),
    [
        ({"FrameTimeVector": [0, 20, 20, 20, 20, 20], "FrameTime": 99}, 50, False),
        ({"FrameTimeVector": [0, 10, 30, 20, 20, 20]}, 50, True),
        ({"ActualFrameDuration": 25}, 40, False),
        ({"CineRate": 30}, 30, False),
        ({"RecommendedDisplayFrameRate": 25}, 25, True),
        ({"FrameTime": 0, "CineRate": 12}, 12, False),
        ({}, None, False),
    ],
)
def test_frame_rate_tags(tmp_path, tags, rate, noted):
    loop = read_dicom(write(tmp_path / "a", sector_frames()[0], **tags))
    assert loop.frame_rate_hz == (rate and pytest.approx(rate))
    assert bool(loop.notes) == noted


def test_pixel_spacing_is_the_fallback(tmp_path):
    pixels, _ = sector_frames()
    assert read_dicom(write(tmp_path / "a", pixels, PixelSpacing=[0.4, 0.2])).spacing_mm == (0.4, 0.2)
    tags = {"SequenceOfUltrasoundRegions": [region(20, 10, 139, 99, PhysicalUnitsXDirection=4)]}
    assert read_dicom(write(tmp_path / "b", pixels, **tags)).spacing_mm is None


def test_region_of_a_larger_original_is_scaled(tmp_path):
    pixels, _ = sector_frames(height=240, width=320, box=(20, 200, 50, 290))
    tags = {"SequenceOfUltrasoundRegions": [region(100, 40, 579, 399, delta=0.04)]}
    loop = read_dicom(write(tmp_path / "a", pixels, **tags))
    assert loop.frames.shape[1:] == (180, 240)
    assert loop.spacing_mm == pytest.approx((0.8, 0.8))
    assert len(loop.notes) == 1 and "640×480" in loop.notes[0] and "2 times" in loop.notes[0]


def test_region_scale_is_the_one_that_holds_the_moving_image(tmp_path):
    """640×480 would hold the region, but what moves would lie beside it; 1280×960 holds both."""
    pixels, _ = sector_frames(height=240, width=320, box=(0, 120, 80, 160))
    tags = {"SequenceOfUltrasoundRegions": [region(320, 0, 639, 479, delta=0.01)]}
    loop = read_dicom(write(tmp_path / "a", pixels, **tags))
    assert loop.spacing_mm == pytest.approx((0.4, 0.4)) and "1280×960" in loop.notes[0]
    assert loop.frames.shape[1:] == (120, 80)


def test_region_that_fits_no_screen_is_not_believed(tmp_path):
    pixels, _ = sector_frames()
    tags = {"SequenceOfUltrasoundRegions": [region(20, 10, 9000, 99)]}
    loop = read_dicom(write(tmp_path / "a", pixels, **tags))
    assert loop.frames.shape[1:] == (120, 160) and loop.spacing_mm is None
    assert "spacing is unknown" in loop.notes[0]


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ({"NumberOfFrames": 1}, "single-frame"),
        ({"NumberOfFrames": None}, "single-frame"),
        ({"PixelData": None}, "without pixel data"),
        ({"NumberOfFrames": 600}, "broken DICOM"),
        ({"NumberOfFrames": 2**30}, "pixels in all"),
        ({"Rows": 0}, "expected pixels"),
        ({"PhotometricInterpretation": "NONSENSE"}, "broken DICOM"),
        ({"BitsAllocated": 7}, "broken DICOM"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, tags, found):
    path = write(tmp_path / "bad.dcm", sector_frames()[0], **tags)
    with pytest.raises(InputError, match=found) as error:
        read_dicom(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert "Secret" not in str(error.value)


def test_not_dicom_missing_and_truncated(tmp_path):
    (tmp_path / "text.dcm").write_text("hello")
    with pytest.raises(InputError, match="no DICOM preamble"):
        read_dicom(tmp_path / "text.dcm")
    with pytest.raises(InputError, match="cannot be opened"):
        read_dicom(tmp_path / "absent.dcm")
    whole = write(tmp_path / "whole.dcm", sector_frames()[0]).read_bytes()
    for length in (140, 300, 700, len(whole) // 2, len(whole) - 1000):
        (tmp_path / "cut.dcm").write_bytes(whole[:length])
        with pytest.raises(InputError):
            read_dicom(tmp_path / "cut.dcm")


def test_compression_without_decoder_is_named(tmp_path):
    path = write(tmp_path / "a.dcm", sector_frames()[0])
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    dataset.PixelData = pydicom.encaps.encapsulate([b"0" * 100])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)
    with pytest.raises(InputError, match="MPEG-4"):
        read_dicom(path)


def test_pydicoms_own_loop_has_twice_the_spacing_of_its_tags():
    from pydicom import examples

    loop = read_dicom(examples.get_path("ybr_color"))
    assert loop.frames.shape == (30, 193, 256)
    assert loop.spacing_mm == pytest.approx((1.02099, 1.02099), abs=1e-4)
    assert loop.frame_rate_hz == pytest.approx(30, abs=0.01)
    assert np.array_equal(loop.frames[10], loop.frames[11]) and not np.array_equal(loop.frames[11], loop.frames[12])


def test_sonosite_120_frames(shared_data):
    folder = shared_data / "sonosite_a4c"
    loop = cpwc_keras.read(folder / "color3d_jpeg_baseline.dcm")
    assert loop.frames.shape == (120, 384, 512) and loop.notes == ()
    assert loop.spacing_mm == pytest.approx((0.5105, 0.5105), abs=1e-4)
    assert loop.frames[:, 5:15, 285:310].max() == 0, "the green orientation mark beside the sector"
    half = cpwc_keras.read(folder / "examples_ybr_color.dcm")
    small = cv2.resize(loop.frames[22, 1:383], (256, 191), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(small.ravel(), half.frames[22, 1:192].ravel())[0, 1] > 0.99, "both are the same place"


def test_luma_equals_pydicoms_own_conversion(shared_data):
    path = shared_data / "sonosite_a4c" / "examples_ybr_color.dcm"
    rgb = pydicom.pixels.pixel_array(path, index=7).astype(np.float32) / 255
    gray = (rgb @ np.array([0.299, 0.587, 0.114], np.float32))[15:208, 42:298]
    ours = read_dicom(path).frames[7]
    np.testing.assert_allclose(ours[60:150, 100:160], gray[60:150, 100:160], atol=2 / 255)
