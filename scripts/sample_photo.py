"""Write the photo of `make demo`: python scripts/sample_photo.py OUT.png

A 256x192 reduction of `chelsea`, the cat that scikit-image bundles (Stéfan van der Walt, CC0).
"""

import sys

from PIL import Image
from skimage import data

cat = Image.fromarray(data.chelsea()).crop((0, 0, 400, 300))
cat.resize((256, 192), Image.Resampling.LANCZOS).save(sys.argv[1])
