"""Sets the run-time search path of a 64-bit ELF file where it stands: runpath.py FILE PATH. The new one may not be longer."""

import struct
import sys

RPATH, RUNPATH, STRTAB, LOAD, DYNAMIC = 15, 29, 5, 1, 2


def segments(image):
    """Kind, place in the file, address, size of each."""
    (start,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    for at in range(start, start + size * count, size):
        kind, _, place, address, _, length = struct.unpack_from("<IIQQQQ", image, at)
        yield kind, place, address, length


def main(file, new):
    with open(file, "r+b") as handle:
        image = handle.read()
        if image[:6] != b"\x7fELF\x02\x01":
            sys.exit(f"{file} is no 64-bit little-endian ELF file")
        parts = list(segments(image))
        dynamic = next((part for part in parts if part[0] == DYNAMIC), None)
        if dynamic is None:
            sys.exit(f"{file} is not linked dynamically")
        entries = list(struct.iter_unpack("<QQ", image[dynamic[1] : dynamic[1] + dynamic[3]]))
        address = next(value for tag, value in entries if tag == STRTAB)
        strings = next(p + address - a for kind, p, a, n in parts if kind == LOAD and a <= address < a + n)
        for tag, offset in entries:
            if tag in (RPATH, RUNPATH):
                start = strings + offset
                old = image[start : image.index(b"\0", start)]
                if len(new.encode()) > len(old):
                    sys.exit(f"{file}: {new} is longer than {old.decode()}")
                handle.seek(start)
                handle.write(new.encode().ljust(len(old), b"\0"))


main(*sys.argv[1:])
