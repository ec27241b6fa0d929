"""Regression: how far does a patient's diabetes progress within a year?"""
