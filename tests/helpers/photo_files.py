"""Photos as the files that cameras and other programs write, by format and depth."""

import base64

import cv2
import numpy as np

from helpers.encode import encode, picture, tiff

PICTURE = picture()


GREY = PICTURE[..., 2]


DEEP_GREY = np.arange(0, 65536, 109, dtype=np.uint16)[:600].reshape(20, 30)


DEEP_COLOUR = np.dstack([DEEP_GREY, DEEP_GREY[::-1], 65000 - DEEP_GREY // 2])


def opencv_file(extension: str, values: np.ndarray) -> bytes:
    ok, data = cv2.imencode(extension, values)
    assert ok
    return data.tobytes()


LOSSLESS = {
    "png": encode(PICTURE, "PNG"),
    "bmp": encode(PICTURE, "BMP"),
    "tiff": encode(PICTURE, "TIFF"),
    "tiff lzw": encode(PICTURE, "TIFF", compression="tiff_lzw"),
    "tiff big-endian": tiff(PICTURE, photometric=2, big_endian=True),
    "tiff planar": tiff(PICTURE, photometric=2, planar=True),
    "webp": encode(PICTURE, "WEBP", lossless=True),
}


DEEP_GREY_FILES = {
    "png": encode(DEEP_GREY, "PNG"),
    "tiff": tiff(DEEP_GREY),
    "tiff big-endian": tiff(DEEP_GREY, big_endian=True),
    "tiff lzw": opencv_file(".tiff", DEEP_GREY),
}


DEEP_COLOUR_FILES = {
    "png": opencv_file(".png", DEEP_COLOUR[..., ::-1]),
    "tiff": tiff(DEEP_COLOUR, photometric=2),
    "tiff big-endian": tiff(DEEP_COLOUR, photometric=2, big_endian=True),
}


# PICTURE, to be turned by a quarter, from an encoder that is no part of the tests.
HEIC = base64.b85decode(
    b"0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0005VZDn*}000000000XXk=`10000000000aA{+70000000000000"
    b"0000000G-+&aV*mgE07O6l0ssL300001>;M4(00000007_s0ssI200PVa0RR9100000Bme*aIB98aW&i*H000620"
    b"00$fZf0cy000000RRAKc4ILB0000LX>Mj^0ssI300IC2MR;ju000004sdC7Z2$lO00031009SSaB^?}008D`aAR)"
    b"(004Gqc4I>U18@KU0FVFx0000U@BsY%`1k+-4+CHT0RR|40Sp2E{{wIU00RJ!0009300RIXx&lC90096hLID8-Z~"
    b"y=U0FVFx0{{R603M(qfd!W8<fgf}2xu@M00096AOHXZ03l)k0RRR>0l{;?i2wiq6Ju{|a&BX6cmM$a4FCp!0000K"
    b"X>)L8000000000$0000$0000eV{Bn?0000y000010000e00001|NsB|00002|NsB!000020000GaA|mH000000|*"
    b"ER00009X>xCL0{{R38EJ5BVE_OC000000RRC8fdT^sgoXeB02*m>Wo7^X0000001jhhb7KGk009620003DZDe6|0"
    b"002oC;_ht;647$&nFDkoxGR1yy-=+X0n-LoIMPLU9s`ZhdU_v6-_KwgI(yTL_*x0;wL@V3JED5e%5^$^q7C8SFM@"
    b")1FWGK3de?QtHUD8xAXS<G<Fm{l)`T0*FEPX5KSJNO>C5G>{`mpg1r*fYDSCxG$S<$bxHJ~y11D-{E#+*CE~$M4;"
    b"<H+vhQI#$O`&3?rfs-85m5$)95uM0u+1PNA*OK&9Z?r;@hp_%%f33sv#7Kz`WnU7UE7C3MDzgRn^txUmYbOaYAaH"
    b"zRJ+#4!TgZ6D||L00006MR;ju002!*04e|g00;m90TKWM0000100sa600000"
)
