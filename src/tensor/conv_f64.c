#include "conv.h"

void mr__conv_visit(const mr__conv *c, mr__conv_way way, double *y, double *x, double *w)
{
    int64_t inner = c->channels / c->groups, filters = c->filters / c->groups;
    for (int64_t n = 0; n < c->images; n++)
        for (int64_t f = 0; f < c->filters; f++)
            for (int64_t oh = 0; oh < c->out_h; oh++)
                for (int64_t ow = 0; ow < c->out_w; ow++, y++)
                    for (int64_t k = 0; k < inner; k++) {
                        const int64_t channel = n * c->channels + f / filters * inner + k;
                        for (int64_t i = 0; i < c->kernel_h; i++) {
                            const int64_t h = oh * c->stride_h - c->pad_top + i * c->dilation_h;
                            if (h < 0 || h >= c->height)
                                continue;
                            for (int64_t j = 0; j < c->kernel_w; j++) {
                                const int64_t v = ow * c->stride_w - c->pad_left + j * c->dilation_w;
                                if (v < 0 || v >= c->width)
                                    continue;
                                double *at_x = x + (channel * c->height + h) * c->width + v;
                                double *at_w = w + ((f * inner + k) * c->kernel_h + i) * c->kernel_w + j;
                                if (way == MR__CONV_FORWARD)
                                    *y += *at_x * *at_w;
                                else if (way == MR__CONV_TO_X)
                                    *at_x += *y * *at_w;
                                else
                                    *at_w += *y * *at_x;
                            }
                        }
                    }
}

void mr__conv_channel_sums(double *db, const double *dy, int64_t images, int64_t channels, int64_t pixels,
                           bool add)
{
    for (int64_t f = 0; !add && f < channels; f++)
        db[f] = 0;
    for (int64_t i = 0; i < images * channels; i++)
        for (int64_t p = 0; p < pixels; p++)
            db[i % channels] += dy[i * pixels + p];
}
