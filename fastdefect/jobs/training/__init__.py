"""What every training needs, from settings to its closing report."""
