"""`adjust:` tones, colours and sharpness, and `blend` of two images."""

from __future__ import annotations

from collections.abc import Iterable

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Choice, Colour, File, Flag, ImageInput, Integer, Number, Param
from imgtk_adjust.params import Points

MODES = ("normal", "multiply", "screen", "overlay", "darken", "lighten", "difference")


def _spec(name: str, impl: str, summary: str, *params: Param) -> OpSpec:
    return OpSpec(name, f"imgtk_adjust.{impl}", summary, params)


def _amount(name: str, low: float, high: float, help: str, default: float, positional: bool = True) -> Param:
    return Param(name, Number(low, high), help, default=default, positional=positional)


def _radius(default: float) -> Param:
    return _amount("radius", 0, 100, "Standard deviation of the Gaussian, in pixels.", default, positional=False)


def _choice(name: str, options: tuple[str, ...], help: str, default: str | None) -> Param:
    return Param(name, Choice(options), help, default=default, positional=True)


STRENGTH = _amount("strength", 0, 1, "0 changes nothing, 1 is the full effect.", 1)

LIGHT = (
    _spec(
        "blend",
        "op:Blend",
        "Blend another image of the same size over this one.",
        Param("image", ImageInput(), "The image on top: @name or ( chain ).", positional=True),
        _amount("alpha", 0, 1, "Opacity of the image on top.", 0.5),
        _choice("mode", MODES, "Blend mode.", "normal"),
    ),
    _spec(
        "adjust:brightness-contrast",
        "op:BrightnessContrast",
        "Shift and stretch the tones.",
        _amount("brightness", -1, 1, "Added to every channel of 0..1.", 0),
        _amount("contrast", 0, 10, "Factor around middle gray; 1 changes nothing.", 1, positional=False),
    ),
    _spec(
        "adjust:saturation",
        "op:Saturation",
        "Strengthen or fade the colours.",
        _amount("amount", 0, 10, "Factor; 0 is gray, 1 changes nothing.", 1.3),
    ),
    _spec(
        "adjust:gamma",
        "op:Gamma",
        "Brighten or darken the middle tones; black and white stay.",
        _amount("gamma", 0.1, 10, "Above 1 brightens: each value is raised to 1/gamma.", 1.2),
    ),
    _spec("adjust:grayscale", "op:Grayscale", "Remove the colours and keep the luminance."),
    _spec(
        "adjust:sharpen",
        "op:Sharpen",
        "Sharpen by an unsharp mask.",
        _amount("amount", 0, 10, "How much of the detail to add again.", 0.5),
        _radius(1),
    ),
    _spec(
        "adjust:blur", "op:Blur", "Blur by a Gaussian.", _amount("radius", 0, 100, "Standard deviation in pixels.", 2)
    ),
    _spec(
        "adjust:vignette",
        "op:Vignette",
        "Darken towards the corners, like a lens.",
        _amount("strength", 0, 0.99, "Share of the light lost in the corners.", 0.5),
    ),
)

TONE = (
    _spec(
        "adjust:levels",
        "tone:Levels",
        "Stretch the tones between a black point and a white point.",
        _amount("black", 0, 1, "Input value that becomes black.", 0),
        _amount("white", 0, 1, "Input value that becomes white.", 1),
        _amount("gamma", 0.1, 10, "Above 1 brightens the middle tones.", 1),
        _amount("out-black", 0, 1, "Output value of black.", 0, positional=False),
        _amount("out-white", 0, 1, "Output value of white.", 1, positional=False),
    ),
    _spec(
        "adjust:auto-levels",
        "tone:AutoLevels",
        "Stretch the tones to the full range.",
        _amount("clip", 0, 0.49, "Share of the pixels to cut off at each end.", 0.005),
        Param(
            "by-channel", Flag(), "Stretch each channel separately, which also removes a colour cast.", default=False
        ),
    ),
    _spec(
        "adjust:curves",
        "tone:Curves",
        "Map the tones along a smooth curve through points.",
        Param("points", Points(), "Input:output pairs, such as 0:0,0.3:0.2,1:1.", positional=True),
        _choice("channel", ("all", "luma", "red", "green", "blue"), "Channels that the curve applies to.", "all"),
    ),
    _spec(
        "adjust:exposure",
        "tone:Exposure",
        "Change the exposure, as with a camera.",
        _amount("stops", -10, 10, "Exposure in stops: 1 doubles the light.", 1),
    ),
    _spec("adjust:invert", "tone:Invert", "Invert the colours, as in a negative."),
    _spec(
        "adjust:threshold",
        "tone:Threshold",
        "Turn pixels above a level white and all others black.",
        _amount("level", 0, 1, "Luma up to which pixels become black.", 0.5),
        _choice("method", ("fixed", "otsu"), "fixed uses level=; otsu finds a level for each image.", "fixed"),
    ),
    _spec(
        "adjust:posterise",
        "tone:Posterise",
        "Reduce each channel to a few levels.",
        Param("levels", Integer(2, 256), "Number of levels per channel.", default=4, positional=True),
    ),
    _spec(
        "adjust:clahe",
        "local:Clahe",
        "Raise the local contrast (CLAHE).",
        _amount("clip", 0.1, 100, "Limit of the contrast; higher is stronger.", 2),
        Param(
            "grid",
            Integer(1, 64),
            "Number of cells per side that are equalised separately.",
            default=8,
            positional=True,
        ),
    ),
    _spec(
        "adjust:tonemap",
        "hdr:Tonemap",
        "Compress high dynamic range (HDR) for screens.",
        _choice("method", ("reinhard", "drago", "filmic"), "Tone-mapping formula.", "reinhard"),
        _choice(
            "input", ("linear", "srgb"), "Encoding of the pixels: linear as in HDR files, srgb as in photos.", "linear"
        ),
    ),
    _spec(
        "adjust:dehaze",
        "local:Dehaze",
        "Remove haze (dark channel prior).",
        _amount("strength", 0, 1, "Share of the haze to remove.", 0.9),
        Param("radius", Integer(1, 100), "Radius of the neighbourhood that estimates the haze, in pixels.", default=7),
    ),
)

COLOUR = (
    _spec(
        "adjust:white-balance",
        "colour:WhiteBalance",
        "Correct the white balance, automatically or by colour temperature.",
        _choice(
            "method",
            ("gray-world", "white-patch", "none"),
            "gray-world makes the mean gray (the default without temperature and tint); white-patch the brightest.",
            None,
        ),
        Param("temperature", Number(1667, 25000), "Colour temperature in kelvin; higher is warmer.", default=None),
        Param("tint", Number(-1, 1), "Tint from green (-1) to magenta (1).", default=None),
    ),
    _spec(
        "adjust:hue",
        "colour:Hue",
        "Rotate the hues.",
        _amount("degrees", -360, 360, "Angle of rotation: 120 turns red into green.", 30),
    ),
    _spec("adjust:sepia", "colour:Sepia", "Tone the image brown, like an old photo.", STRENGTH),
    _spec(
        "adjust:duotone",
        "colour:Duotone",
        "Map the tones to a range between two colours.",
        Param("dark", Colour(), "Colour of the darkest tone.", default=(0.1, 0.1, 0.35), positional=True),
        Param("light", Colour(), "Colour of the brightest tone.", default=(1.0, 0.9, 0.7), positional=True),
    ),
    _spec(
        "adjust:match-histogram",
        "histogram:MatchHistogram",
        "Match the tones to those of another image.",
        Param("image", ImageInput(), "The other image: @name or ( chain ).", default=None, positional=True),
        Param("file", File(), "The other image, as a file instead.", default=None, positional=True),
    ),
    _spec(
        "adjust:lut",
        "lut:Lut",
        "Apply a colour lookup table (LUT).",
        Param("file", File(), "A .cube file, 1D or 3D.", positional=True),
        STRENGTH,
    ),
)


@hookimpl
def imgtk_operators() -> Iterable[OpSpec]:
    return [*LIGHT, *TONE, *COLOUR]
