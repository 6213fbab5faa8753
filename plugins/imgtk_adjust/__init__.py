"""`adjust:` tones, colours and sharpness, and `blend` of two images."""

from __future__ import annotations

from collections.abc import Iterable

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Choice, Colour, File, Flag, ImageInput, Integer, Number, Param
from imgtk_adjust.params import Points

MODES = ("normal", "multiply", "screen", "overlay", "darken", "lighten", "difference")


def _spec(name: str, impl: str, summary: str, *params: Param, colour: bool = False) -> OpSpec:
    return OpSpec(name, f"imgtk_adjust.{impl}", summary, params, may_add_colour=colour)


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
        "Lay another image of the same size over this one.",
        Param("image", ImageInput(), "The image on top: @name or ( chain ).", positional=True),
        _amount("alpha", 0, 1, "Opacity of the image on top.", 0.5),
        _choice("mode", MODES, "How its colours act on those below.", "normal"),
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
    _spec("adjust:grayscale", "op:Grayscale", "Take the colours away, keeping the luminance."),
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
        "Darken towards the corners, as a lens does.",
        _amount("strength", 0, 0.99, "Light lost in the very corners.", 0.5),
    ),
)

TONE = (
    _spec(
        "adjust:levels",
        "tone:Levels",
        "Stretch the tones between a black and a white point.",
        _amount("black", 0, 1, "What becomes black.", 0),
        _amount("white", 0, 1, "What becomes white.", 1),
        _amount("gamma", 0.1, 10, "Above 1 brightens the tones between.", 1),
        _amount("out-black", 0, 1, "What black becomes.", 0, positional=False),
        _amount("out-white", 0, 1, "What white becomes.", 1, positional=False),
    ),
    _spec(
        "adjust:auto-levels",
        "tone:AutoLevels",
        "Stretch the tones from the darkest to the brightest.",
        _amount("clip", 0, 0.49, "Share of the pixels to cut off at each end.", 0.005),
        Param("by-channel", Flag(), "Stretch each channel by itself, which also removes a cast.", default=False),
    ),
    _spec(
        "adjust:curves",
        "tone:Curves",
        "Change the tones by a smooth curve through points.",
        Param("points", Points(), "Input and output of each, such as 0:0,0.3:0.2,1:1.", positional=True),
        _choice("channel", ("all", "luma", "red", "green", "blue"), "What the curve changes.", "all"),
    ),
    _spec(
        "adjust:exposure",
        "tone:Exposure",
        "Change the light as a camera's exposure does.",
        _amount("stops", -10, 10, "One more is twice the light.", 1),
    ),
    _spec("adjust:invert", "tone:Invert", "Make a negative."),
    _spec(
        "adjust:threshold",
        "tone:Threshold",
        "Make white what is brighter than a level, and black the rest.",
        _amount("level", 0, 1, "Luma up to which pixels become black.", 0.5),
        _choice("method", ("fixed", "otsu"), "fixed: the given level; otsu: one found for the image.", "fixed"),
    ),
    _spec(
        "adjust:posterise",
        "tone:Posterise",
        "Leave a few tones of each channel.",
        Param("levels", Integer(2, 256), "How many.", default=4, positional=True),
    ),
    _spec(
        "adjust:clahe",
        "local:Clahe",
        "Raise the local contrast (CLAHE).",
        _amount("clip", 0.1, 100, "Limit of the contrast; higher is stronger.", 2),
        Param("grid", Integer(1, 64), "Fields across and down whose tones are equalised.", default=8, positional=True),
    ),
    _spec(
        "adjust:tonemap",
        "hdr:Tonemap",
        "Compress a large range of light (HDR) to what screens show.",
        _choice("method", ("reinhard", "drago", "filmic"), "Whose formula.", "reinhard"),
        _choice(
            "input", ("linear", "srgb"), "linear: pixels are light, as in HDR files; srgb: as in photos.", "linear"
        ),
    ),
    _spec(
        "adjust:dehaze",
        "local:Dehaze",
        "Take away haze (dark channel prior).",
        _amount("strength", 0, 1, "Share of the haze to take away.", 0.9),
        Param("radius", Integer(1, 100), "Of the surroundings that tell the haze, in pixels.", default=7),
    ),
)

COLOUR = (
    _spec(
        "adjust:white-balance",
        "colour:WhiteBalance",
        "Make white what is white, by the image or by the light's temperature.",
        _choice(
            "method",
            ("gray-world", "white-patch", "none"),
            "gray-world: the mean is gray (the default without temperature and tint); white-patch: the brightest is.",
            None,
        ),
        Param("temperature", Number(1667, 25000), "Of the light, in kelvin; higher makes warmer.", default=None),
        Param("tint", Number(-1, 1), "From green (-1) to magenta (1).", default=None),
    ),
    _spec(
        "adjust:hue",
        "colour:Hue",
        "Turn all hues.",
        _amount("degrees", -360, 360, "120 makes green of red, and blue of green.", 30),
    ),
    _spec("adjust:sepia", "colour:Sepia", "Tone brown like an old photo.", STRENGTH, colour=True),
    _spec(
        "adjust:duotone",
        "colour:Duotone",
        "Print the tones between two colours.",
        Param("dark", Colour(), "The colour of black.", default=(0.1, 0.1, 0.35), positional=True),
        Param("light", Colour(), "The colour of white.", default=(1.0, 0.9, 0.7), positional=True),
        colour=True,
    ),
    _spec(
        "adjust:lut",
        "lut:Lut",
        "Grade by a table of colours.",
        Param("file", File(), "A .cube file, of one or three dimensions.", positional=True),
        STRENGTH,
        colour=True,
    ),
)


@hookimpl
def imgtk_operators() -> Iterable[OpSpec]:
    return [*LIGHT, *TONE, *COLOUR]
