"""Write the photo of `make demo`: python scripts/sample_photo.py OUT.png

A 256x192 reduction of `chelsea`, the cat that scikit-image bundles (Stéfan van der Walt, CC0).
"""

import argparse
from pathlib import Path

from PIL import Image
from skimage import data

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    cat = Image.fromarray(data.chelsea()).crop((0, 0, 400, 300))
    cat.resize((256, 192), Image.Resampling.LANCZOS).save(parser.parse_args().out)
