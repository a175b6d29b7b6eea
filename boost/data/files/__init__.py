"""Tables from files, under XGBoost's names: libsvm and CSV text, and tables that were saved in binary."""
