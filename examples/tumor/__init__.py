"""Classification over three joined feature tables: is the tumor of a biopsy malignant?"""
