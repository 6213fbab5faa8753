"""What plugins share whose networks repaint pictures at their own size: styles and translations.

This module imports no torch.
"""
