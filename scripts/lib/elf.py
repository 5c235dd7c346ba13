"""Changes where a 64-bit ELF file looks for its libraries, in place: elf.py FILE PATH [LIBRARY].

PATH becomes its run-time search path and may not be longer than the one before. LIBRARY, which the file may ask for and takes no
symbol from, is not asked for any more.
"""

import struct
import sys

NEEDED, STRTAB, RPATH, RUNPATH = 1, 5, 15, 29
LOAD, DYNAMIC = 1, 2


def segments(image):
    """Kind, place in the file, address, size of each."""
    (start,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    for at in range(start, start + size * count, size):
        kind, _, place, address, _, length = struct.unpack_from("<IIQQQQ", image, at)
        yield kind, place, address, length


def main(file, new, unneeded=None):
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
        text = lambda offset: image[strings + offset : image.index(b"\0", strings + offset)].decode()
        kept = [entry for entry in entries if not (entry[0] == NEEDED and text(entry[1]) == unneeded)]
        # The list keeps its length: it ends with entries of zeros.
        kept += [(0, 0)] * (len(entries) - len(kept))
        handle.seek(dynamic[1])
        handle.write(b"".join(struct.pack("<QQ", *entry) for entry in kept))
        for tag, offset in entries:
            if tag in (RPATH, RUNPATH):
                start = strings + offset
                old = image[start : image.index(b"\0", start)]
                if len(new.encode()) > len(old):
                    sys.exit(f"{file}: {new} is longer than {old.decode()}")
                handle.seek(start)
                handle.write(new.encode().ljust(len(old), b"\0"))


main(*sys.argv[1:])
