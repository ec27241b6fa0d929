"""Customers with tags, a profile and orders."""

from django.db import models


class Tag(models.Model):
    label = models.CharField(max_length=30)


class Customer(models.Model):
    owner = models.CharField(max_length=30, blank=True)
    joined_at = models.DateTimeField()
    born = models.DateField(null=True)
    age = models.PositiveSmallIntegerField(default=30)
    points = models.IntegerField(default=0)
    patience = models.DurationField(null=True)
    profile = models.JSONField(default=dict)
    tags = models.ManyToManyField(Tag, related_name="customers")
    churned = models.BooleanField(null=True)


class Order(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="orders")
    placed_at = models.DateTimeField()
    amount = models.FloatField()
    paid = models.BooleanField(default=True)
    returned = models.BooleanField(null=True)


class Call(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="calls")
    on = models.DateField()
    minutes = models.IntegerField()
