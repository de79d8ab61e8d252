from django.db import models


class Order(models.Model):
    """Somebody wants bread."""

    customer = models.CharField(max_length=100)
    loaves = models.PositiveIntegerField(default=1)
    ordered_at = models.DateTimeField(auto_now_add=True)
    baked_at = models.DateTimeField(null=True, blank=True)
    # The task that bakes it.
    task = models.CharField(max_length=64, blank=True)

    def __str__(self):
        return f"{self.loaves} for {self.customer}"


class Day(models.Model):
    """What was sold on a day."""

    date = models.DateField(unique=True)
    loaves = models.PositiveIntegerField()

    def __str__(self):
        return f"{self.loaves} on {self.date}"
