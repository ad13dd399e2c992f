"""Compiled parsing of the numbers in text meshes (VRML, OBJ, landmark files).

A scan of 35,000 points has half a million numbers as text; NumPy's own parsers take ten
times as long as these, and do not say at which byte a file is broken.
"""

import numba
import numpy as np

# What a parse ended with, beside the count and the byte where it stopped.
CLOSED, UNCLOSED, BAD = 0, 1, 2

_POWERS = np.array([10.0**k for k in range(-308, 309)])
_MAX_DIGITS = 18  # that surely fit 64 bits


@numba.njit(cache=True, inline="always")
def is_space(byte):
    """Blanks, line ends and VRML's comma."""
    return byte == 32 or byte == 44 or 9 <= byte <= 13


@numba.njit(cache=True, inline="always")
def line_end(data, at, stop):
    """The byte of the next line end, or `stop`."""
    while at < stop and data[at] != 10 and data[at] != 13:
        at += 1
    return at


@numba.njit(cache=True, nogil=True)
def parse_number(data, at, stop):
    """Parses one number that starts at byte `at`.

    Decimal with optional exponent; `nan`, `inf`, `1.#QNAN` and their like are NaN;
    correct to a unit in the 15th digit.

    Args:
      data: (size,) uint8.
      at: first byte.
      stop: end of the text.

    Returns:
      (value, next byte); the next byte is `at` where there is no number.
    """
    i = at
    negative = False
    if i < stop and (data[i] == 45 or data[i] == 43):
        negative = data[i] == 45
        i += 1
    mantissa, digits, dropped, point = np.uint64(0), 0, 0, 0
    seen_point, any_digit = False, False
    while i < stop:
        byte = data[i]
        if 48 <= byte <= 57:
            any_digit = True
            if digits < _MAX_DIGITS:
                mantissa = mantissa * np.uint64(10) + np.uint64(byte - 48)
                if mantissa > 0:
                    digits += 1
                if seen_point:
                    point += 1
            elif not seen_point:
                dropped += 1
        elif byte == 46 and not seen_point:
            seen_point = True
        else:
            break
        i += 1
    if not any_digit:
        letter = data[i] | 32 if i < stop else 0
        if i + 2 < stop and (letter == 110 or letter == 105):
            second, third = data[i + 1] | 32, data[i + 2] | 32
            is_nan = letter == 110 and second == 97 and third == 110
            is_inf = letter == 105 and second == 110 and third == 102
            if is_nan or is_inf:
                i += 3
                while i < stop and not is_space(data[i]) and data[i] != 93:
                    i += 1
                return np.nan, i
        return 0.0, at
    if i + 1 < stop and data[i] == 35 and 97 <= (data[i + 1] | 32) <= 122:
        # 1.#QNAN, -1.#IND: how C libraries of Windows print them.
        while i < stop and not is_space(data[i]) and data[i] != 93:
            i += 1
        return np.nan, i
    exponent = dropped - point
    if i < stop and (data[i] | 32) == 101:
        j, minus, written = i + 1, False, 0
        if j < stop and (data[j] == 45 or data[j] == 43):
            minus = data[j] == 45
            j += 1
        if j < stop and 48 <= data[j] <= 57:
            while j < stop and 48 <= data[j] <= 57:
                written = min(written * 10 + (data[j] - 48), 100000)
                j += 1
            exponent += -written if minus else written
            i = j
    value = float(mantissa)
    if mantissa > 0:
        while exponent < -308:
            value *= 1e-308
            exponent += 308
            if value == 0.0:
                exponent = 0
        value = np.inf if exponent > 308 else value * _POWERS[exponent + 308]
    return (-value if negative else value), i


@numba.njit(cache=True, nogil=True)
def parse_list(data, at, stop, out):
    """Parses numbers up to a `]`; blanks, commas and `#` comments lie between them.

    Args:
      data: (size,) uint8.
      at: first byte after the `[`.
      stop: end of the text.
      out: (capacity,) float64; stop - at + 1 are always enough.

    Returns:
      (count, byte, how): `how` is CLOSED (byte of the `]`), UNCLOSED (the text ended)
      or BAD (byte of what is no number).
    """
    count, i = 0, at
    while i < stop:
        byte = data[i]
        if is_space(byte):
            i += 1
        elif byte == 93:
            return count, i, CLOSED
        elif byte == 35:
            i = line_end(data, i, stop)
        else:
            value, after = parse_number(data, i, stop)
            if after == i:
                return count, i, BAD
            if after < stop:
                end = data[after]
                if not (is_space(end) or end == 93):
                    return count, i, BAD
            out[count] = value
            count += 1
            i = after
    return count, i, UNCLOSED


@numba.njit(cache=True, nogil=True)
def parse_indices(data, at, stop, out):
    """Parses whole numbers up to a `]`, as `parse_list` does with any.

    Args:
      data: (size,) uint8.
      at: first byte after the `[`.
      stop: end of the text.
      out: (capacity,) int32; numbers beyond it are BAD.
    """
    count, i = 0, at
    while i < stop:
        byte = data[i]
        if is_space(byte):
            i += 1
        elif 48 <= byte <= 57 or byte == 45:
            start = i
            i += 1 if byte == 45 else 0
            value, digits = 0, 0
            while i < stop and 48 <= data[i] <= 57:
                value = value * 10 + (data[i] - 48)
                digits += 1
                i += 1
            ends = i >= stop or is_space(data[i]) or data[i] == 93
            if not 0 < digits < 10 or not ends:
                return count, start, BAD
            out[count] = -value if byte == 45 else value
            count += 1
        elif byte == 93:
            return count, i, CLOSED
        elif byte == 35:
            i = line_end(data, i, stop)
        else:
            return count, i, BAD
    return count, i, UNCLOSED


@numba.njit(cache=True, nogil=True)
def triangulate(index, other):
    """Fans polygons that -1 ends, and the same corners of a second index beside them.

    Args:
      index: (n,) int32; the last -1 may be missing.
      other: (n,) int32 with its -1 at the same places, or empty.

    Returns:
      (faces (m, 3) int32, faces of `other` (m, 3) int32, polygons of fewer than three
      corners, first place where `other` differs in its ends or -1).
    """
    corners, triangles, lost = 0, 0, 0
    for k in range(len(index) + 1):
        if k == len(index) or index[k] == -1:
            triangles += max(corners - 2, 0)
            lost += 1 if 0 < corners < 3 else 0
            corners = 0
        else:
            corners += 1
    faces = np.empty((triangles, 3), np.int32)
    second = np.empty((triangles if len(other) else 0, 3), np.int32)
    row, start = 0, 0
    for k in range(len(index) + 1):
        ended = k == len(index) or index[k] == -1
        if len(other) and k < len(index) and ended != (other[k] == -1):
            return faces, second, lost, k
        if ended:
            for c in range(start + 1, k - 1):
                faces[row, 0], faces[row, 1] = index[start], index[c]
                faces[row, 2] = index[c + 1]
                if len(other):
                    second[row, 0], second[row, 1] = other[start], other[c]
                    second[row, 2] = other[c + 1]
                row += 1
            start = k + 1
    return faces, second, lost, -1
